package main

import (
	"context"
	"sync"
	"time"

	"github.com/openim-dr/openim-dr/internal/alert"
	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/daemon"
	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/notify"
	"github.com/openim-dr/openim-dr/internal/secret"
	"github.com/openim-dr/openim-dr/internal/status"
)

// telling is what a daemon tells people, by the configuration as it is then.
type telling struct {
	*alert.Teller

	metrics *daemon.NotifyMetrics
	changes *changeLogger
	blind   time.Time // since when the repository could not be opened

	mu    sync.Mutex
	leads bool
	last  *status.Report
	seen  time.Time // when last was
}

// newTelling begins to tell, until end is called.
func (r *runDaemon) newTelling(ctx context.Context) (t *telling, end func(), err error) {
	sender, err := newSender()
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	t = &telling{metrics: r.notices}
	outbox := notify.NewOutbox(ctx, func(ctx context.Context, receiver string, l notify.Letter) error {
		chosen, err := chooseNotifications(r.configuration().Notifications, []string{receiver})
		if err != nil {
			return err
		}
		return sender.Send(ctx, chosen[0].URL, l)
	}, t.metrics.Notification, r.app.log)
	t.Teller = alert.New(func() (string, []alert.Rule) { return rulesOf(r.configuration()) }, outbox.Put, r.app.log)
	t.changes = &changeLogger{app: r.app, configuration: r.configuration, leads: t.leading, tell: t.Happened, seen: map[string]string{}}
	heart := &notify.Heartbeat{Where: func() (secret.Ref, time.Duration) { return heartbeatOf(r.configuration()) }, Well: t.well, Count: t.metrics.Heartbeat, Log: r.app.log}
	t.begin(r.configuration())
	var group sync.WaitGroup
	group.Go(func() { t.Run(ctx) })
	group.Go(func() { heart.Run(ctx) })
	return t, func() {
		cancel()
		outbox.Close()
		group.Wait()
	}, nil
}

func rulesOf(c *config.Config) (instance string, rules []alert.Rule) {
	for _, n := range c.Notifications {
		rules = append(rules, alert.Rule{Receiver: n.Name, On: n.On, MinSeverity: n.MinSeverity, RemindAfter: n.RemindAfter.Duration()})
	}
	return c.Instance, rules
}

func heartbeatOf(c *config.Config) (secret.Ref, time.Duration) {
	if c.Heartbeat == nil {
		return "", 0
	}
	return c.Heartbeat.URL, c.Heartbeat.Every.Duration()
}

// begin lets the counters of a configuration's notifications begin.
func (t *telling) begin(c *config.Config) {
	for _, n := range c.Notifications {
		t.metrics.Begin(n.Name)
	}
}

// look takes a report.
func (t *telling) look(ctx context.Context, report *status.Report) {
	t.mu.Lock()
	t.last, t.seen = report, time.Now()
	t.mu.Unlock()
	t.Report(ctx, report)
	t.changes.look(ctx, report)
}

func (t *telling) leading() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.leads
}

// well reports whether this daemon leads, has looked lately, and has seen nothing
// critical: whoever waits for heartbeats shall notice anything else.
func (t *telling) well() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.leads && t.last != nil && t.last.State != status.Critical && time.Since(t.seen) < daemon.BlindAfter
}

// lead takes whether this daemon leads, and the book that it keeps then.
func (t *telling) lead(ctx context.Context, leads bool, book alert.Book) {
	t.mu.Lock()
	t.leads = leads
	t.mu.Unlock()
	if leads {
		t.Lead(book)
	} else {
		t.Follow(ctx)
	}
}

// opened takes that the repository was opened, or why not.
func (t *telling) opened(err error) {
	switch {
	case err == nil:
		t.blind = time.Time{}
	case fault.KindOf(err) != fault.Failed: // it ends the daemon
	case t.blind.IsZero():
		t.blind = time.Now()
	case time.Since(t.blind) >= daemon.BlindAfter:
		t.Blind(t.blind, err)
	}
}
