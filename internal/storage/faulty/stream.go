package faulty

import (
	"context"
	"io"
	"slices"

	"github.com/openim-dr/openim-dr/internal/storage"
)

type reader struct {
	ctx   context.Context // of Open
	store *Store
	body  io.ReadCloser
	name  string
	cut   bool
}

// Generation implements storage.Generational where the wrapped reader does.
func (r *reader) Generation() string {
	if g, ok := r.body.(storage.Generational); ok {
		return g.Generation()
	}
	return ""
}

func (r *reader) Read(p []byte) (int, error) {
	if r.cut {
		return 0, io.EOF
	}
	c := r.store.enter(Read, r.name)
	switch r.store.strike(c, Fail, Hang) {
	case Fail:
		return 0, r.store.plan.err()
	case Hang:
		return 0, hang(r.ctx)
	}
	n, err := r.body.Read(p)
	if n == 0 {
		return n, err
	}
	switch r.store.strike(c, FailAfter, Truncate, Flip) {
	case FailAfter:
		return n, r.store.plan.err()
	case Truncate:
		r.cut = true
		return n / 2, io.EOF
	case Flip:
		p[n/2] ^= 1
	}
	return n, err
}

func (r *reader) Close() error { return r.body.Close() }

type upload struct {
	ctx   context.Context // of Create
	store *Store
	inner storage.Upload
	name  string
}

func (u *upload) Write(p []byte) (int, error) {
	c := u.store.enter(Write, u.name)
	if len(p) == 0 {
		return u.inner.Write(p)
	}
	switch u.store.strike(c, Fail, FailAfter, Truncate, Flip, Hang) {
	case Fail:
		return 0, u.store.plan.err()
	case Hang:
		return 0, hang(u.ctx)
	case FailAfter:
		n, err := u.inner.Write(p)
		if err == nil {
			err = u.store.plan.err()
		}
		return n, err
	case Truncate:
		if _, err := u.inner.Write(p[:len(p)/2]); err != nil {
			return 0, err
		}
		return len(p), nil
	case Flip:
		p = slices.Clone(p)
		p[len(p)/2] ^= 1
	}
	return u.inner.Write(p)
}

func (u *upload) Commit() (info storage.Info, err error) {
	err = u.store.around(u.ctx, Commit, u.name, func() (err error) {
		info, err = u.inner.Commit()
		return err
	})
	if err != nil {
		return storage.Info{}, err
	}
	return info, nil
}

func (u *upload) Abort() { u.inner.Abort() }
