// Package bucket mirrors the buckets of one S3 endpoint into a recovery point
// and brings them back: SeaweedFS and any other server that speaks S3.
//
// A mirror lists a bucket, merges the listing with the base (the previous
// point's index, in the same order), downloads what is new or changed, packs
// it, and writes a new index. A listing is in one of two orders: "bytes", or
// "path" as SeaweedFS walks its directories. The index is cut into segments at
// boundaries that depend on the keys alone, so that a segment in which nothing
// changed is used again by reference, and an unchanged bucket writes neither a
// pack nor a segment.
//
// The parts, each one or a few goroutines that an errgroup owns, joined by
// bounded channels:
//
//	listing ─┐                       ┌─ fetchers ── packers ─┐
//	         ├─ merge ─ slots in order ──────────────────────┴─ index
//	base ────┘
//
// A slot is one key of the new index. An unchanged one is complete at once, a
// new one when its bytes are in a pack. Bytes in flight are bounded by a
// budget, keys in flight by the window (invariant 7).
//
// Older versions are mirrored in the same way, into a list of their own, after the
// objects.
package bucket

import (
	"fmt"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

const (
	// memberLimit is the largest piece of an object that is held in memory: a
	// larger object is several members of a pack of its own.
	memberLimit = 8 << 20
	// defaultWorkers hides the latency of a server nearby without flooding it.
	defaultWorkers = 8
	// defaultMemory is the budget for bytes in flight.
	defaultMemory = 64 << 20
)

// Options are what a run decides, not the configuration of the source.
type Options struct {
	// Workers is the number of objects on the wire at once; 0 is a default.
	Workers int
	// Memory bounds the bytes of objects in flight; 0 is a default, and less
	// than one large object takes is raised to that.
	Memory int64
	// Bandwidth is how many bytes per second objects may take, both ways
	// together, and Requests how many requests; 0 is no limit.
	Bandwidth int64
	Requests  float64
	// FullCheck has every object read again, also those that are listed as they
	// were.
	FullCheck bool
	// AcceptShrink lets a bucket that has lost more than the configured share
	// pass once.
	AcceptShrink bool

	patience patience // its zero value is the usual one
}

func (o Options) withDefaults() Options {
	if o.Workers <= 0 {
		o.Workers = defaultWorkers
	}
	if o.Memory <= 0 {
		o.Memory = defaultMemory
	}
	if o.patience == (patience{}) {
		o.patience = usualPatience
	}
	o.Memory = max(o.Memory, (rangesAhead+2)*memberLimit)
	return o
}

// Source is the buckets of one S3 endpoint. It is safe for concurrent use.
type Source struct {
	name     string
	settings Settings
	options  Options
	pace     pace
	racy     time.Duration
	batch    int    // entries of the index that a restore holds at once
	host     string // HOST:PORT of the endpoint, for targets
	now      func() time.Time
	client   *client
}

// New returns the source called name. Secrets are read here.
func New(name string, settings *Settings, options Options) (*Source, error) {
	if err := settings.Validate(); err != nil {
		return nil, fmt.Errorf("source %s: %w", name, err)
	}
	s := &Source{name: name, settings: settings.effective(), options: options.withDefaults(), pace: defaultPace, racy: usualRacy, batch: batchEntries, now: wallClock}
	endpoint, err := url.Parse(s.settings.Endpoint)
	if err != nil {
		return nil, invalid("endpoint: it is not a URL")
	}
	s.host = hostPort(endpoint)
	if s.client, err = newClient(&s.settings, s.options); err != nil {
		return nil, err
	}
	return s, nil
}

// Name returns the name of the source in the configuration.
func (s *Source) Name() string { return s.name }

// target spells a bucket as plans and --overwrite do.
func (s *Source) target(bucket string) string {
	return fmt.Sprintf("bucket/%s/%s", s.host, bucket)
}

// hostPort returns HOST:PORT with the port of the scheme where none is given.
func hostPort(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Host
	case u.Scheme == "https":
		return u.Host + ":443"
	default:
		return u.Host + ":80"
	}
}

// api is shorthand for the SDK's client.
func (s *Source) api() *s3.Client { return s.client.s3 }
