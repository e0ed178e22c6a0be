package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// Policy says how long a call is waited for and repeated. Zero fields take the
// defaults named beside them.
type Policy struct {
	// Elapsed is how long a call that makes no progress is repeated (2 min).
	Elapsed time.Duration
	// Initial and Longest bound the pauses between attempts (250 ms, 15 s).
	Initial, Longest time.Duration
	// Idle ends an attempt to list, stat, read or delete in which no byte has
	// moved for so long (1 min).
	Idle time.Duration
	// UploadIdle does the same for a Write or Commit (5 min). It is longer,
	// since a driver may try a chunk several times within one of them.
	UploadIdle time.Duration
	// Notify, where set, is told of each failed attempt that will be repeated
	// after wait. It must be safe for concurrent use.
	Notify func(err error, wait time.Duration)
}

func (p Policy) withDefaults() Policy {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&p.Elapsed, 2 * time.Minute},
		{&p.Initial, 250 * time.Millisecond},
		{&p.Longest, 15 * time.Second},
		{&p.Idle, time.Minute},
		{&p.UploadIdle, 5 * time.Minute},
	} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	return p
}

// Transient reports whether the same call may succeed a little later. Errors
// that say something about the object, the rights, the configuration or the
// bytes do not pass by themselves, and neither does a full disk soon enough.
func Transient(err error) bool {
	for _, lasting := range []error{
		ErrNotExist, ErrExist, ErrChanged, ErrProtected, ErrDenied, ErrChecksum,
		fs.ErrInvalid, syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS,
	} {
		if errors.Is(err, lasting) {
			return false
		}
	}
	kind := fault.KindOf(err)
	return err != nil && (kind == fault.Failed || kind == fault.Busy)
}

// repeat calls op until it succeeds, fails for good, ctx ends or the policy's
// time is over. What op wraps with backoff.Permanent is not repeated.
func (p Policy) repeat(ctx context.Context, op func() error) error {
	var last error
	lasting := false
	tries, started := 0, time.Now()
	pauses := &backoff.ExponentialBackOff{
		InitialInterval: p.Initial, MaxInterval: p.Longest,
		RandomizationFactor: 0.5, Multiplier: 2,
	}
	options := []backoff.RetryOption{backoff.WithBackOff(pauses), backoff.WithMaxElapsedTime(p.Elapsed)}
	if p.Notify != nil {
		options = append(options, backoff.WithNotify(p.Notify))
	}
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		tries++
		last = op()
		var final *backoff.PermanentError
		if lasting = errors.As(last, &final); lasting {
			last = final.Err
		}
		lasting = lasting || ctx.Err() != nil || !Transient(last)
		if last != nil && lasting {
			return struct{}{}, backoff.Permanent(last)
		}
		return struct{}{}, last
	}, options...)
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, last): // ctx ended in a pause: say also what was being waited out
		return fmt.Errorf("%w, while repeating after: %w", err, last)
	case tries > 1 && !lasting:
		return fmt.Errorf("%w (%d attempts in %s)", err, tries, time.Since(started).Round(time.Second))
	default:
		return err
	}
}

// attempt is repeat for calls that move no bytes: each try has the idle time
// as its deadline.
func (p Policy) attempt(ctx context.Context, op func(context.Context) error) error {
	return p.repeat(ctx, func() error {
		ctx, cancel := context.WithTimeoutCause(ctx, p.Idle, &idleError{p.Idle})
		defer cancel()
		return explain(ctx, op(ctx))
	})
}

// Retry wraps a driver so that every call ends (invariant 9) and what may be
// repeated is: listings go on after the last name that was delivered, reads at
// the offset that was reached, of the same generation or not at all. An upload
// that has begun cannot be repeated here, for its bytes are gone; it is only
// ended when it stalls. Put repeats one whose content is known. It is a Holder where
// the driver is one.
func Retry(s Storage, policy Policy) Storage {
	r := &retrying{inner: s, policy: policy.withDefaults()}
	if h, ok := s.(Holder); ok {
		return &retryingHolder{r, h}
	}
	return r
}

type retryingHolder struct {
	*retrying
	holder Holder
}

// SetHold may be repeated: what an attempt with a lost reply has changed is as it
// should be then.
func (r *retryingHolder) SetHold(ctx context.Context, name string, held bool) (changed bool, err error) {
	err = r.policy.attempt(ctx, func(ctx context.Context) (err error) {
		changed, err = r.holder.SetHold(ctx, name, held)
		return err
	})
	return changed, err
}

type retrying struct {
	inner  Storage
	policy Policy
}

func (r *retrying) URL() string { return r.inner.URL() }

func (r *retrying) Stat(ctx context.Context, name string) (info Info, err error) {
	err = r.policy.attempt(ctx, func(ctx context.Context) (err error) {
		info, err = r.inner.Stat(ctx, name)
		return err
	})
	return info, err
}

// Delete may be repeated since it names a generation: what an attempt with a
// lost reply deleted is gone, which is no error.
func (r *retrying) Delete(ctx context.Context, seen Info) error {
	return r.policy.attempt(ctx, func(ctx context.Context) error {
		return r.inner.Delete(ctx, seen)
	})
}

func (r *retrying) Dirs(ctx context.Context, dir string, span Span) (names []string, err error) {
	err = r.policy.attempt(ctx, func(ctx context.Context) (err error) {
		names, err = r.inner.Dirs(ctx, dir, span)
		return err
	})
	return names, err
}

func (r *retrying) List(ctx context.Context, prefix string, fn func(Info) error) error {
	listing := &resumedListing{inner: r.inner, prefix: prefix, fn: fn, idle: r.policy.Idle}
	for {
		// An attempt that delivered something starts the clock anew: a listing
		// of hours must survive a failure after the first of them.
		again := false
		err := r.policy.repeat(ctx, func() error {
			progressed, err := listing.goOn(ctx)
			again = progressed && Transient(err) && ctx.Err() == nil
			if again {
				return nil
			}
			return err
		})
		if listing.refused != nil {
			return listing.refused
		}
		if err != nil || !again {
			return err
		}
	}
}

// resumedListing is a listing that knows how far it has come.
type resumedListing struct {
	inner   Reader
	prefix  string
	fn      func(Info) error
	idle    time.Duration
	last    string // the last name delivered
	refused error  // what fn returned
}

// goOn lists from the start, and delivers what comes after the last name.
func (l *resumedListing) goOn(ctx context.Context) (progressed bool, err error) {
	dog := watch(ctx, l.idle)
	defer dog.stop()
	err = l.inner.List(dog.ctx, l.prefix, func(info Info) error {
		dog.rest() // fn may take as long as it likes
		defer dog.guard()
		if info.Name <= l.last {
			return nil
		}
		if l.refused = l.fn(info); l.refused != nil {
			return l.refused
		}
		l.last, progressed = info.Name, true
		return nil
	})
	if l.refused != nil {
		return false, nil // List returns it; it is not to be judged here
	}
	return progressed, explain(dog.ctx, err)
}
