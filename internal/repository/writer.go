package repository

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// WriterOptions are what a writer of points needs besides the storage.
type WriterOptions struct {
	Options
	Instance   string
	Tool       string      // version of the program
	Signer     seal.Signer // must hold the role writer
	Recipients []seal.Recipient
	Drill      *seal.Recipient // may be nil
	// Catalog opens index segments, and the digest key, and nothing else.
	Catalog     seal.Identity
	LeaseLength time.Duration
	// Waiting, where set, is told who holds a lease that is wanted, and how long it
	// is watched at most before it is taken over. It may be told more than once.
	Waiting func(instance, host string, longest time.Duration)
}

// Writer takes points into a repository. It creates and reads; it cannot
// delete. It is safe for concurrent use.
type Writer struct {
	*Repository
	store     storage.ReadWriter
	options   WriterOptions
	digestKey seal.DigestKey
}

// OpenWriter opens a repository for writing, and refuses what would make
// points that nobody could use: a foreign instance, a signer that is not
// trusted, recipients of two classes.
func OpenWriter(ctx context.Context, store storage.ReadWriter, o WriterOptions) (*Writer, error) {
	repo, err := Open(ctx, store, o.Options)
	if err != nil {
		return nil, err
	}
	if o.LeaseLength == 0 {
		o.LeaseLength = DefaultLeaseLength
	}
	w := &Writer{Repository: repo, store: store, options: o}
	if err := w.check(); err != nil {
		return nil, err
	}
	if w.digestKey, err = newKeyring(newContents(store), []seal.Identity{o.Catalog}).digestKey(ctx); err != nil {
		return nil, err
	}
	return w, nil
}

func (w *Writer) check() error {
	if err := w.RequireInstance(w.options.Instance); err != nil {
		return err
	}
	probe := []byte("probe")
	signature, err := w.options.Signer.Sign(probe, "probe")
	if err != nil {
		return err
	}
	if _, err := w.trust.Verify(seal.RoleWriter, probe, signature, w.now()); err != nil {
		return fault.New(fault.Usage, "open repository", "points signed by %s would not count: %w", w.options.Signer.PublicKey(), err).
			On(w.URL()).Hint("add its public key to trustedSigners with the role writer")
	}
	if len(w.options.Recipients) == 0 {
		return fault.New(fault.Usage, "open repository", "no recipients are given: nobody could open what is written").
			On(w.URL()).Hint("list the operators' public keys as recipients: openim-dr keygen operator makes one")
	}
	classes := w.options.Recipients
	if w.options.Drill != nil {
		classes = append(slices.Clone(classes), *w.options.Drill)
	}
	for _, r := range append(slices.Clone(classes), w.options.Catalog.Recipient()) {
		if r.PostQuantum() != w.options.Recipients[0].PostQuantum() {
			return fault.New(fault.Usage, "open repository", "some recipients are post-quantum and some are not, and age does not mix them").
				Hint("make all of recipients, drillRecipient and catalogIdentity of one class: openim-dr keygen --pq")
		}
	}
	return nil
}

// Begin starts a point of a stream whose lease the caller holds, and fences
// off what earlier runs of the stream have left unfinished. ctx must be the
// context of Acquire: it ends everything that the draft does.
func (w *Writer) Begin(ctx context.Context, stream string, sources []string) (*Draft, error) {
	listing, err := w.List(ctx)
	if err != nil {
		return nil, err
	}
	runs, err := w.store.Dirs(ctx, runsDir, storage.Span{})
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	raced, err := w.fence(ctx, stream, runs, listing)
	if err != nil {
		return nil, err
	}
	if raced {
		if listing, err = w.List(ctx); err != nil {
			return nil, err
		}
	}
	unfinished, err := w.interrupted(ctx, stream, runs, listing)
	if err != nil {
		return nil, err
	}
	head, err := w.head(ctx, listing, w.options.Instance, stream)
	if err != nil {
		return nil, err
	}
	began := w.now().UTC() // once: an id that is not the time of the beginning is quarantined
	d := &Draft{
		ctx: ctx, writer: w, stream: stream, point: newPointID(began), started: began,
		head: head, bases: map[string]*Point{},
		keys: map[string]bool{}, open: map[string]bool{}, wrapped: wrapBook{},
		continued: unfinished,
	}
	if unfinished != nil {
		d.progress.buckets = unfinished.Buckets
	}
	for _, s := range sources {
		if base := listing.Newest(w.options.Instance, s); base != nil {
			d.bases[s] = base
		}
	}
	if err := d.learnWraps(ctx, unfinished); err != nil {
		return nil, err
	}
	if err := d.begin(ctx); err != nil {
		return nil, fmt.Errorf("begin point %s: %w", d.point, err)
	}
	if err := d.confirm(ctx, listing); err != nil {
		return nil, err
	}
	return d, nil
}

// learnWraps finds out for whom the keys are wrapped that the run may rely on: those
// of its bases, and of the run that it goes on from.
func (d *Draft) learnWraps(ctx context.Context, unfinished *Progress) error {
	type saying struct {
		wrapped []Wrapped
		began   time.Time
	}
	var said []saying
	if unfinished != nil {
		if at, err := PointTime(unfinished.Run); err == nil {
			said = append(said, saying{unfinished.Wrapped, at})
		}
	}
	for _, base := range d.bases {
		said = append(said, saying{base.Keys.Wrapped, base.Started})
	}
	if len(said) == 0 {
		return nil
	}
	// Of two that speak of a key the later one knows more.
	slices.SortFunc(said, func(a, b saying) int { return a.began.Compare(b.began) })
	left, err := d.writer.departures(ctx, said[0].began)
	if err != nil {
		return err
	}
	for _, s := range said {
		d.wrapped.learn(s.wrapped, s.began, left)
	}
	return nil
}

// fence makes it impossible that a run of this stream which was suspended
// wakes and commits beside ours: it puts a signed record in the place of its
// manifest (invariant 8). Where that create loses, the run has committed
// meanwhile and is a point: raced says that the listing is out of date.
func (w *Writer) fence(ctx context.Context, stream string, runs []string, listing *Listing) (raced bool, err error) {
	for _, run := range listing.unfinished(runs) {
		if _, err := PointTime(run); err != nil {
			continue // nobody can commit a point of that name
		}
		start, err := w.readStart(ctx, run)
		if err != nil {
			return false, err
		}
		// A start that nobody can read may be of this stream: such a run has
		// either failed to begin, or must do so again.
		if start != nil && (start.Instance != w.options.Instance || start.Stream != stream) {
			continue
		}
		err = abandon(ctx, w.store, w.Repository, w.options.Signer, run, w.options.Instance)
		switch {
		case errors.Is(err, storage.ErrExist):
			raced = true
		case err != nil:
			return false, fmt.Errorf("fence run %s off: %w", run, err)
		}
	}
	return raced, nil
}

// abandon writes the fence of a run, or returns storage.ErrExist. It is one file that
// carries its own signature, so that a crash cannot leave half of a fence and
// two that fence the same run do not stand in each other's way.
func abandon(ctx context.Context, store storage.Writer, repo *Repository, signer seal.Signer, run, by string) error {
	path := manifestPath(run)
	record, err := marshal(Abandoned{
		Header: Header{kindAbandoned, Format, repo.record.Repository, path},
		Point:  run, Time: repo.now().UTC(), By: by,
	})
	if err != nil {
		return err
	}
	signature, err := signer.Sign(record, path)
	if err != nil {
		return err
	}
	_, err = putPlain(ctx, store, path, Fence{kindAbandoned, Format, string(record), string(signature)})
	return err
}
