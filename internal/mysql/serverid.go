package mysql

import (
	"context"
	"errors"
	"fmt"

	"github.com/openim-dr/openim-dr/internal/source"
)

var _ source.Recognizable = (*Server)(nil)

// ServerID is the UUID that a server gives itself when it first starts, and
// keeps in its data directory.
func (s *Server) ServerID(ctx context.Context) (_ string, err error) {
	client, err := s.open(ctx, dumpIdle)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	r, err := queryRecord(ctx, client, "SELECT @@server_uuid AS uuid")
	if err != nil {
		return "", fmt.Errorf("ask %s for its UUID: %w", s.target(), err)
	}
	return r.text("uuid"), nil
}
