package notify_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/notify"
)

// post is what an outbox sent, and what became of it.
type post struct {
	mu      sync.Mutex
	sent    []string
	results map[string]int
	done    []string
}

func (p *post) count(_, result string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.results[result]++
}

func (p *post) put(o *notify.Outbox, receiver, key, text string) {
	o.Put(receiver, notify.Letter{Key: key, Text: text}, func(err error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.done = append(p.done, fmt.Sprintf("%s %v", text, err == nil))
	})
}

// newPost starts an outbox that sends by a function, until the test ends.
func newPost(t *testing.T, send func(ctx context.Context, text string) error) (*post, *notify.Outbox) {
	t.Helper()
	p := &post{results: map[string]int{}}
	o := notify.NewOutbox(t.Context(), func(ctx context.Context, _ string, l notify.Letter) error {
		p.mu.Lock()
		p.sent = append(p.sent, l.Text)
		p.mu.Unlock()
		return send(ctx, l.Text)
	}, p.count, slog.New(slog.DiscardHandler))
	t.Cleanup(o.Close)
	return p, o
}

func (p *post) require(t *testing.T, sent []string, results map[string]int) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Equal(p.sent, sent) {
		t.Errorf("sent %q, want %q", p.sent, sent)
	}
	for _, result := range []string{notify.OK, notify.Failed, notify.Replaced, notify.Dropped} {
		if p.results[result] != results[result] {
			t.Errorf("%d are %s, want %d", p.results[result], result, results[result])
		}
	}
}

// What may pass is tried four times, with longer and longer pauses; what does not pass
// by itself is tried once.
func TestOutboxTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var at []time.Duration
		p, o := newPost(t, func(_ context.Context, text string) error {
			if text == "refused" {
				return fault.New(fault.Usage, "send", "no")
			}
			at = append(at, time.Since(began))
			return fault.New(fault.Failed, "send", "no answer")
		})
		p.put(o, "oncall", "a", "failing")
		time.Sleep(time.Hour)
		synctest.Wait()
		if want := []time.Duration{0, 5 * time.Second, 20 * time.Second, 65 * time.Second}; !slices.Equal(at, want) {
			t.Errorf("tried after %v, want %v", at, want)
		}
		p.put(o, "oncall", "a", "refused")
		synctest.Wait()
		p.require(t, []string{"failing", "failing", "failing", "failing", "refused"}, map[string]int{notify.Failed: 2})
	})
}

// One receiver that does not answer keeps no other waiting, and nobody who puts
// something in. Of what waits for it the newest of each thing stays, and 50 in all.
func TestOutboxIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer := make(chan struct{})
		p, o := newPost(t, func(ctx context.Context, text string) error {
			if !strings.HasPrefix(text, "slow") {
				return nil
			}
			select {
			case <-answer:
			case <-ctx.Done():
			}
			return nil
		})
		p.put(o, "slow", "first", "slow first")
		synctest.Wait()
		p.put(o, "slow", "a", "slow old")
		p.put(o, "slow", "a", "slow new")
		p.put(o, "fast", "a", "fast")
		synctest.Wait()
		p.require(t, []string{"slow first", "fast"}, map[string]int{notify.OK: 1, notify.Replaced: 1})
		for i := range 50 {
			p.put(o, "slow", fmt.Sprintf("b%d", i), "slow more")
		}
		p.require(t, []string{"slow first", "fast"}, map[string]int{notify.OK: 1, notify.Replaced: 1, notify.Dropped: 1})
		close(answer)
		synctest.Wait()
		p.require(t, append([]string{"slow first", "fast"}, slices.Repeat([]string{"slow more"}, 50)...), map[string]int{notify.OK: 52, notify.Replaced: 1, notify.Dropped: 1})
		if !slices.Contains(p.done, "slow old false") || len(p.done) != 54 {
			t.Errorf("told %v", p.done)
		}
	})
}

// Closing ends what is being sent, and waits for it; nothing is lost without a word.
func TestOutboxCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, o := newPost(t, func(ctx context.Context, _ string) error {
			<-ctx.Done()
			return context.Cause(ctx)
		})
		p.put(o, "oncall", "a", "one")
		p.put(o, "oncall", "b", "two")
		synctest.Wait()
		o.Close()
		p.put(o, "oncall", "c", "three")
		slices.Sort(p.done)
		if want := []string{"one false", "three false", "two false"}; !slices.Equal(p.done, want) {
			t.Errorf("told %q, want %q", p.done, want)
		}
	})
}
