package notify

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
)

const (
	// attempts is how often a message is tried to be sent, with a pause in between that
	// begins with firstPause and is three times as long each time.
	attempts   = 4
	firstPause = 5 * time.Second
	// most is how many messages wait for one receiver.
	most = 50
)

// Results of a message, as metrics call them.
const (
	OK       = "ok"
	Failed   = "failed"   // not sent, after all attempts
	Replaced = "replaced" // a newer one about the same thing has come before it was sent
	Dropped  = "dropped"  // too many were waiting, or the outbox is closed
)

// Outbox sends messages beside whatever else goes on: whoever puts one in does not
// wait. Messages to one receiver are sent one after the other. Its fields are set
// before the first Put.
type Outbox struct {
	// Send sends one message to the receiver of a name.
	Send func(ctx context.Context, receiver string, l Letter) error
	// Count is told what became of each message.
	Count func(receiver, result string)
	Log   *slog.Logger

	mu      sync.Mutex
	ctx     context.Context // of all that it sends, until Close
	cancel  context.CancelFunc
	waiting map[string][]entry // by receiver, while one of its messages is being sent
	group   sync.WaitGroup
}

// entry is a message that waits.
type entry struct {
	Letter
	done func(error)
}

// NewOutbox returns an outbox that sends until Close, or until ctx ends.
func NewOutbox(ctx context.Context, send func(ctx context.Context, receiver string, l Letter) error, count func(receiver, result string), log *slog.Logger) *Outbox {
	ctx, cancel := context.WithCancel(ctx)
	return &Outbox{Send: send, Count: count, Log: log, ctx: ctx, cancel: cancel, waiting: map[string][]entry{}}
}

// Why a message was not sent.
var (
	errReplaced = fault.New(fault.Failed, "send a notification", "a newer one about the same thing has taken its place")
	errDropped  = fault.New(fault.Failed, "send a notification", "too many wait, or nothing is sent any more")
)

// Put lets a message be sent. One of the same key that still waits is replaced, and the
// oldest is dropped where too many wait. done is called once, from another goroutine or
// from Put itself: with nil where the message was sent.
func (o *Outbox) Put(receiver string, l Letter, done func(error)) {
	replaced, dropped := o.put(receiver, entry{l, done})
	for _, e := range replaced {
		o.Count(receiver, Replaced)
		e.done(errReplaced)
	}
	for _, e := range dropped {
		o.Count(receiver, Dropped)
		e.done(errDropped)
	}
}

func (o *Outbox) put(receiver string, e entry) (replaced, dropped []entry) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ctx.Err() != nil {
		return nil, []entry{e}
	}
	queue, busy := o.waiting[receiver]
	kept := make([]entry, 0, len(queue)+1)
	for i, old := range queue {
		switch {
		case old.Key == e.Key:
			replaced = append(replaced, old)
		case len(queue)-i > most-1:
			dropped = append(dropped, old)
		default:
			kept = append(kept, old)
		}
	}
	o.waiting[receiver] = append(kept, e)
	if !busy {
		o.group.Go(func() { o.deliver(receiver) })
	}
	return replaced, dropped
}

// deliver sends what waits for a receiver, until nothing does.
func (o *Outbox) deliver(receiver string) {
	for {
		e, ok := o.next(receiver)
		if !ok {
			return
		}
		err := o.try(receiver, e.Letter)
		result := OK
		if err != nil {
			result = Failed
		}
		o.Count(receiver, result)
		e.done(err)
		if err == nil {
			o.Log.Info("notification sent", "notification", receiver, "about", e.Key, "over", e.Over)
		}
	}
}

func (o *Outbox) next(receiver string) (e entry, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	queue := o.waiting[receiver]
	if len(queue) == 0 {
		delete(o.waiting, receiver)
		return entry{}, false
	}
	o.waiting[receiver] = queue[1:]
	return queue[0], true
}

// try sends a message, and again where that may help.
func (o *Outbox) try(receiver string, l Letter) error {
	pause := firstPause
	for attempt := 1; ; attempt++ {
		err := o.Send(o.ctx, receiver, l)
		log := o.Log.With("notification", receiver, "about", l.Key, "attempt", attempt)
		switch {
		case err == nil || o.ctx.Err() != nil:
			return err
		case fault.KindOf(err) != fault.Failed || attempt == attempts:
			log.Warn("notification not sent", "error", err.Error())
			return err
		}
		log.Warn("notification not sent, and is tried again", "error", err.Error(), "after", pause.String())
		select {
		case <-o.ctx.Done():
			return err
		case <-time.After(pause):
		}
		pause *= 3
	}
}

// Close ends what is being sent, drops what waits, and returns when nothing is at work
// any more.
func (o *Outbox) Close() {
	o.mu.Lock()
	o.cancel()
	o.mu.Unlock()
	o.group.Wait()
}
