package repository

import (
	"context"
	"io"
	"sync/atomic"
	"time"

	"github.com/openim-dr/openim-dr/internal/storage"
)

// Meter sums up how long a repository was busy reading: what ran side by side
// counts once for each. The zero Meter is ready. It is safe for concurrent use.
type Meter struct {
	fetched atomic.Int64 // nanoseconds in the storage
	inside  atomic.Int64 // nanoseconds in the storage below sealed files
	sealed  atomic.Int64 // nanoseconds in sealed files, the storage below them included
}

// Fetched returns the time in which the storage was waited for.
func (m *Meter) Fetched() time.Duration { return time.Duration(m.fetched.Load()) }

// Decrypted returns the time that decrypting, decompressing and checking took.
func (m *Meter) Decrypted() time.Duration { return time.Duration(m.sealed.Load() - m.inside.Load()) }

// metered is a storage whose reads are timed.
type metered struct {
	storage.Reader
	meter *Meter
}

func (m metered) Open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	began := time.Now()
	body, err := m.Reader.Open(ctx, name, offset, length)
	m.meter.fetched.Add(int64(time.Since(began)))
	if err != nil {
		return nil, err
	}
	return timed{body, &m.meter.fetched}, nil
}

// timed adds up the time that reads take.
type timed struct {
	io.ReadCloser
	spent *atomic.Int64
}

func (t timed) Read(p []byte) (int, error) {
	began := time.Now()
	n, err := t.ReadCloser.Read(p)
	t.spent.Add(int64(time.Since(began)))
	return n, err
}
