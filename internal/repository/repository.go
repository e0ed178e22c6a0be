package repository

import (
	"context"
	"errors"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// Options say how a repository is read.
type Options struct {
	// Trust lists the signers whose word counts. With an empty Trust points
	// can be listed, and none counts as signed.
	Trust seal.Trust
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Meter, where there is one, is told how long reading takes.
	Meter *Meter
	// Cache is a directory of this machine where manifests are kept, so that they
	// need not be fetched again; empty: nowhere.
	Cache string
	// Copies are fallen back on, in their order, for files of points that are
	// missing or damaged, or that cannot be reached any more.
	Copies []storage.Reader
}

// Repository reads. It cannot create or delete anything. It is safe for
// concurrent use.
type Repository struct {
	store    storage.Reader
	contents *contents
	record   *Record
	trust    seal.Trust
	now      func() time.Time
	meter    *Meter // or nil
	cache    manifestCache
}

// Open reads the repository's record. A repository of another format, or one
// that requires what this version does not know, is refused.
func Open(ctx context.Context, store storage.Reader, o Options) (*Repository, error) {
	record, _, err := readRecord(ctx, store, o.Trust)
	if errors.Is(err, ErrNone) {
		return nil, fault.New(fault.Usage, "open repository", "%w", ErrNone).On(store.URL()).
			Hint("check the address")
	}
	if err != nil {
		return nil, err
	}
	if o.Meter != nil {
		store = metered{store, o.Meter}
	}
	return &Repository{store, newContents(store, o.Copies...), record, o.Trust, o.clock(), o.Meter, newManifestCache(o.Cache, record.Repository)}, nil
}

func (o Options) clock() func() time.Time {
	if o.Now == nil {
		return time.Now
	}
	return o.Now
}

// Record returns what the repository says of itself.
func (r *Repository) Record() Record { return *r.record }

// URL names where the repository is.
func (r *Repository) URL() string { return r.store.URL() }
