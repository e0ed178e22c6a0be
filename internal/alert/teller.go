package alert

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/openim-dr/openim-dr/internal/notify"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/status"
	"github.com/openim-dr/openim-dr/internal/storage"
)

const (
	// againAfter is how long after a message could not be sent it is tried anew.
	againAfter = 5 * time.Minute
	// bookTimeout bounds reading and writing what was told (invariant 9).
	bookTimeout = 20 * time.Second
)

// Book keeps what was told. It is safe for concurrent use.
type Book interface {
	// Last returns the newest record, which is empty where there is none.
	Last(ctx context.Context) (*repository.Notices, error)
	// Append fails with storage.ErrExist where the number is taken.
	Append(ctx context.Context, n repository.Notices) error
}

// Teller tells receivers what they should know. Its methods do not wait, but for Run
// and Follow, and are safe for concurrent use.
type Teller struct {
	rules func() (instance string, all []Rule)
	put   func(receiver string, l notify.Letter, done func(error))
	log   *slog.Logger
	wake  chan struct{}

	mu       sync.Mutex
	report   *status.Report     // nil: none was seen yet
	failed   map[string]Concern // schedules of which the last run has failed, and those of sources that have shrunk
	happened map[string]Concern
	alone    map[string]Concern // told by every daemon, since none can lead
	seen     map[string]time.Time
	told     map[string]told // by receiver
	toldOnce map[string]told // of what is alone
	pending  map[pendingKey]pending
	dirty    bool // told is not in the book

	keeping sync.Mutex // one at a time uses the book; taken before mu
	book    Book       // nil: another daemon leads
	read    bool       // told was read from it
	number  int        // of its last record
}

// pendingKey is a thing that a receiver is being told of.
type pendingKey struct{ receiver, about string }

// pending is what he is being told, or since when he could not be.
type pending struct {
	occasion   occasion
	severity   string
	occurrence string
	notBefore  time.Time
}

// New returns a teller that puts its messages into an outbox. rules are asked for
// whenever something may have to be told.
func New(rules func() (instance string, all []Rule), put func(receiver string, l notify.Letter, done func(error)), log *slog.Logger) *Teller {
	return &Teller{
		rules: rules, put: put, log: log, wake: make(chan struct{}, 1),
		failed: map[string]Concern{}, happened: map[string]Concern{}, alone: map[string]Concern{},
		seen: map[string]time.Time{}, told: map[string]told{}, toldOnce: map[string]told{}, pending: map[pendingKey]pending{},
	}
}

// Run tells what there is to tell until ctx ends.
func (t *Teller) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.wake:
		}
		t.open(ctx)
		t.tell(time.Now().UTC())
		t.keep(ctx)
	}
}

func (t *Teller) nudge() {
	select {
	case t.wake <- struct{}{}:
	default: // it is about to look anyway
	}
}

// Lead lets the teller tell, and keep what it told in a book.
func (t *Teller) Lead(b Book) {
	t.mu.Lock()
	t.book, t.read = b, false
	t.mu.Unlock()
	t.nudge()
}

// Follow leaves telling to another daemon. What was told is kept before it returns.
func (t *Teller) Follow(ctx context.Context) {
	t.keep(context.WithoutCancel(ctx))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.book, t.read, t.dirty = nil, false, false
	clear(t.failed) // whoever leads then knows better
	clear(t.happened)
}

// open reads what was told before, unless it was read already.
func (t *Teller) open(ctx context.Context) {
	t.keeping.Lock()
	defer t.keeping.Unlock()
	t.mu.Lock()
	book, read := t.book, t.read
	t.mu.Unlock()
	if book == nil || read {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, bookTimeout)
	defer cancel()
	last, err := book.Last(ctx)
	if err != nil {
		t.log.Warn("what was notified before cannot be read", "error", err.Error())
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.book != book {
		return
	}
	t.read, t.number, t.told = true, last.Number, map[string]told{}
	for _, n := range last.Notices {
		toldTo(t.told, n.Receiver)[n.About] = n
	}
}

func toldTo(all map[string]told, receiver string) told {
	if all[receiver] == nil {
		all[receiver] = told{}
	}
	return all[receiver]
}

// keep writes down what was told, unless it was written already.
func (t *Teller) keep(ctx context.Context) {
	t.keeping.Lock()
	defer t.keeping.Unlock()
	t.mu.Lock()
	book, record, dirty := t.book, t.record(), t.dirty && t.read
	t.dirty = t.dirty && !dirty
	t.mu.Unlock()
	if book == nil || !dirty {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, bookTimeout)
	defer cancel()
	err := book.Append(ctx, record)
	if errors.Is(err, storage.ErrExist) { // another daemon has led meanwhile, or a record is damaged
		var last *repository.Notices
		if last, err = book.Last(ctx); err == nil {
			record.Number = last.Number + 1
			err = book.Append(ctx, record)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.dirty = true
		t.log.Warn("what was notified cannot be kept", "error", err.Error())
		return
	}
	t.number = record.Number
}

// record is what stands in the book next.
func (t *Teller) record() repository.Notices {
	n := repository.Notices{Number: t.number + 1, Time: time.Now().UTC(), Notices: []repository.Notice{}}
	_, rules := t.rules()
	for _, rule := range rules {
		n.Notices = append(n.Notices, t.told[rule.Receiver].sorted()...)
	}
	return n
}
