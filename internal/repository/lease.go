package repository

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// DefaultLeaseLength is how long a lease holds without a renewal.
const DefaultLeaseLength = 60 * time.Second

// releaseTimeout bounds the last word of a process that ends.
const releaseTimeout = 5 * time.Second

// errLeaseFreed: the holder gave it back while it was watched.
var errLeaseFreed = errors.New("the lease is free")

// ErrLeaseLost is the cause with which the context of Acquire ends when
// somebody else has taken the lease, or it could not be renewed in time.
var ErrLeaseLost = errors.New("the lease was lost to another process")

// leaseTerm is one file of leases/<name>/. A renewal is the next term, and the
// create decides who gets it.
type leaseTerm struct {
	Kind     string    `json:"kind"`
	Term     int64     `json:"term"`
	Holder   string    `json:"holder"` // random, so that a process knows its own
	Instance string    `json:"instance"`
	Host     string    `json:"host"`
	Seconds  float64   `json:"seconds"`
	Released bool      `json:"released"`
	Time     time.Time `json:"time"` // for people; nobody's clock is compared
}

// Lease is the right to write a stream. Its owner calls Release.
type Lease struct {
	store   storage.ReadWriter
	name    string
	term    leaseTerm
	length  time.Duration
	waiting func(instance, host string, longest time.Duration) // may be nil
	renewed time.Time                                          // when the term that holds was sent: an observer saw it later
	cancel  context.CancelCauseFunc
	done    chan struct{}
}

// StreamLease names the lease of a stream of an instance.
func StreamLease(instance, stream string) string { return FileName(instance) + "@" + FileName(stream) }

func leaseTermPath(name string, term int64) string {
	return fmt.Sprintf("%s%s/%012d.json", leasesDir, name, term)
}

// Acquire takes the lease. Where somebody holds it, it watches: a term that
// is renewed meanwhile is fault.Busy, and one that does not change for its
// full length, measured on this process's own monotonic clock, is taken over.
// The context returned ends when the lease is lost, so that no step of the
// work has to ask (invariant 8).
func (w *Writer) Acquire(ctx context.Context, name string) (context.Context, *Lease, error) {
	return acquire(ctx, w.store, w.options.Instance, name, w.options.LeaseLength, w.options.Waiting)
}

// DrillLease names the lease of the drills of an instance. No stream has it: an
// escaped name holds no "@".
func DrillLease(instance string) string { return FileName(instance) + "@@drill" }

// PruneLease names the lease of who forgets and sweeps points of an instance, in the
// same way.
func PruneLease(instance string) string { return FileName(instance) + "@@prune" }

// AcquireLease is Writer.Acquire for who writes no points.
func AcquireLease(ctx context.Context, store storage.ReadWriter, instance, name string, length time.Duration) (context.Context, *Lease, error) {
	return acquire(ctx, store, instance, name, length, nil)
}

func acquire(ctx context.Context, store storage.ReadWriter, instance, name string, length time.Duration, waiting func(instance, host string, longest time.Duration)) (context.Context, *Lease, error) {
	if length <= 0 {
		length = DefaultLeaseLength
	}
	l := &Lease{store: store, name: name, length: length, waiting: waiting, done: make(chan struct{})}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	l.term = leaseTerm{Kind: kindLease, Holder: randomName(26), Instance: instance, Host: host, Seconds: l.length.Seconds()}
	if err := l.take(ctx); err != nil {
		return nil, nil, err
	}
	working, cancel := context.WithCancelCause(ctx)
	l.cancel = cancel
	go l.keep(working)
	return working, l, nil
}

// take creates the term after the present one, once that is free.
func (l *Lease) take(ctx context.Context) error {
	for {
		current, err := l.current(ctx)
		if err != nil {
			return err
		}
		if current != nil && !current.Released {
			if l.waiting != nil {
				l.waiting(current.Instance, current.Host, time.Duration(current.Seconds*float64(time.Second)))
			}
			err := l.outlast(ctx, *current)
			if errors.Is(err, errLeaseFreed) {
				continue
			}
			if err != nil {
				return err
			}
		}
		var last int64
		if current != nil {
			last = current.Term
		}
		l.next(last)
		l.renewed = time.Now()
		err = l.put(ctx)
		if !errors.Is(err, storage.ErrExist) {
			return err
		}
	}
}

// outlast returns nil once the term of somebody else has not changed for its
// full length, and errLeaseFreed where it was given back before.
func (l *Lease) outlast(ctx context.Context, held leaseTerm) error {
	length := time.Duration(held.Seconds * float64(time.Second))
	tick := time.NewTicker(max(length/8, 50*time.Millisecond))
	defer tick.Stop()
	for start := time.Now(); time.Since(start) < length; {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		now, err := l.current(ctx)
		switch {
		case err != nil:
			return err
		case now == nil || now.Released:
			return errLeaseFreed
		case now.Term != held.Term:
			return fault.New(fault.Busy, "take lease "+l.name, "a process of instance %q on host %q holds it and is alive", now.Instance, now.Host).
				On(l.store.URL()).Hint("wait until it has ended; openim-dr list shows what it wrote")
		}
	}
	return nil
}

// current returns the newest term, or nil where there is none.
func (l *Lease) current(ctx context.Context) (*leaseTerm, error) {
	return currentTerm(ctx, l.store, l.name, l.length)
}

// currentTerm returns the newest term of a lease, or nil where there is none.
func currentTerm(ctx context.Context, store storage.Reader, lease string, length time.Duration) (*leaseTerm, error) {
	var newest int64
	err := store.List(ctx, leasesDir+lease+"/", func(i storage.Info) error {
		var term int64
		name := strings.TrimPrefix(i.Name, leasesDir+lease+"/")
		if _, err := fmt.Sscanf(name, "%012d.json", &term); err == nil && leaseTermPath(lease, term) == i.Name {
			newest = max(newest, term)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look at lease %s: %w", lease, err)
	}
	if newest == 0 {
		return nil, nil // "nobody ever held it" is an answer
	}
	data, err := storage.Get(ctx, store, leaseTermPath(lease, newest), 64<<10)
	if err != nil {
		return nil, fmt.Errorf("look at lease %s: %w", lease, err)
	}
	var t leaseTerm
	if json.Unmarshal(data, &t) != nil || t.Kind != kindLease || t.Term != newest || t.Seconds <= 0 {
		// It was damaged when it was written, and stays so for ever. Somebody
		// may hold it all the same: it is waited for like any other.
		return &leaseTerm{Term: newest, Instance: "unknown", Host: "unknown", Seconds: max(length, DefaultLeaseLength).Seconds()}, nil
	}
	return &t, nil
}

// next makes the term after t.
func (l *Lease) next(t int64) {
	l.term.Term = t + 1
	l.term.Time = time.Now().UTC()
}

// put creates the term. Repeating it after a lost reply sends the same bytes
// and succeeds.
func (l *Lease) put(ctx context.Context) error {
	_, err := putPlain(ctx, l.store, leaseTermPath(l.name, l.term.Term), l.term)
	return err
}

// keep renews until Release, and ends the work when it cannot any more: well
// before an observer may take over.
func (l *Lease) keep(ctx context.Context) {
	defer close(l.done)
	tick := time.NewTicker(l.length / 4)
	defer tick.Stop()
	pending := false
	for {
		select {
		case <-ctx.Done():
			l.giveBack(ctx)
			return
		case <-tick.C:
		}
		// A process that was suspended sees it here, before it renews a term
		// that may be another's by now.
		if l.expired() {
			l.cancel(ErrLeaseLost)
			return
		}
		if !pending {
			l.next(l.term.Term)
		}
		began := time.Now()
		err := l.renew(ctx)
		switch {
		case err == nil:
			l.renewed, pending = began, false
		case errors.Is(err, storage.ErrExist):
			l.cancel(ErrLeaseLost)
			return
		case errors.Is(err, storage.ErrChecksum):
			pending = false // this term is spoilt, and ours: go on with the next
		default:
			pending = true // the create may have arrived: only the same bytes tell
		}
	}
}

// expired reports whether so much time has passed that an observer may be
// about to take over.
func (l *Lease) expired() bool { return time.Since(l.renewed) >= l.length*3/4 }

func (l *Lease) renew(ctx context.Context) error {
	attempt, stop := context.WithTimeout(ctx, l.length/4)
	defer stop()
	return l.put(attempt)
}

// giveBack says that the lease is free, so that the next process need not
// wait for its end. It is a courtesy: where it fails the wait remains.
func (l *Lease) giveBack(ctx context.Context) {
	if l.expired() {
		return // it may be another's by now
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer stop()
	l.next(l.term.Term)
	l.term.Released = true
	_ = l.put(ctx) // see above
}

// Release ends the lease and waits until it is given back. It may be called
// more than once.
func (l *Lease) Release() {
	l.cancel(context.Canceled)
	<-l.done
}
