package daemon

import (
	"context"
	"errors"
	"time"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// Elector lets one of several daemons work at a time.
type Elector interface {
	// Lead waits until this one may, and calls work with a context that ends as soon as
	// it may not any more. It returns once work has, or with a fault.Busy error where
	// another one leads.
	Lead(ctx context.Context, work func(ctx context.Context)) error
}

// LeaseElector elects by a lease of the repository.
type LeaseElector struct {
	Store    storage.ReadWriter
	Instance string
	Length   time.Duration // of the lease: each quarter of it takes one small file
}

// Lead implements Elector.
func (e LeaseElector) Lead(ctx context.Context, work func(ctx context.Context)) error {
	working, lease, err := repository.AcquireLease(ctx, e.Store, e.Instance, repository.DaemonLease(e.Instance), e.Length)
	if err != nil {
		return err
	}
	defer lease.Release()
	work(working)
	if errors.Is(context.Cause(working), repository.ErrLeaseLost) {
		return repository.ErrLeaseLost
	}
	return nil
}
