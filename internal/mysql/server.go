package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/source"
)

// Kind is the name of this kind of source in configuration and manifests.
const Kind = "mysql"

const (
	defaultWorkers        = 4
	defaultConnectTimeout = 10 * time.Second
)

// Options are what a source needs beside its settings. The zero Options are
// usable.
type Options struct {
	// Workers is how many connections read or load at once; default 4.
	Workers int
	// ConnectTimeout is how long an unreachable server is tried; default 10s.
	ConnectTimeout time.Duration
	// Scratch says that what is on the server is thrown away anyway.
	Scratch bool
	// Recognise may say what the content of a schema is, beyond counts: "only
	// what OpenIM creates on an empty database". It returns "" for anything else.
	Recognise func(ctx context.Context, db *sql.DB, schema string) (string, error)
}

// Server is one MySQL server: a source.
type Server struct {
	name      string
	settings  Settings
	workers   int
	connect   time.Duration
	scratch   bool
	recognise func(ctx context.Context, db *sql.DB, schema string) (string, error)
}

var (
	_ source.Source = (*Server)(nil)
	_ source.Doctor = (*Server)(nil)
)

// New returns the server that the settings describe. It does not connect.
func New(name string, settings *Settings, options Options) (*Server, error) {
	if err := settings.Validate(); err != nil {
		return nil, fmt.Errorf("source %s: %w", name, err)
	}
	if _, err := settings.password(); err != nil { // before hours go by with the sources before this one
		return nil, err
	}
	s := &Server{
		name:      name,
		settings:  *settings,
		workers:   options.Workers,
		connect:   options.ConnectTimeout,
		scratch:   options.Scratch,
		recognise: options.Recognise,
	}
	if s.workers <= 0 {
		s.workers = defaultWorkers
	}
	if s.connect <= 0 {
		s.connect = defaultConnectTimeout
	}
	return s, nil
}

// Name returns the source's name in the configuration.
func (s *Server) Name() string { return s.name }

// target names the server in messages.
func (s *Server) target() string { return "mysql " + s.settings.Address }

// schemaTarget spells a schema the way --overwrite takes it.
func (s *Server) schemaTarget(schema string) string {
	return "mysql/" + s.settings.Address + "/" + schema
}

func (s *Server) usage(doing, format string, args ...any) *fault.Error {
	return fault.New(fault.Usage, doing, format, args...).On(s.target())
}
