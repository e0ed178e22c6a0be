package daemon

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// standByPause is how long a daemon waits before it asks again whether it may lead.
const standByPause = 15 * time.Second

// Daemon runs schedules while it leads. Its fields are set before Run.
type Daemon struct {
	Elector Elector
	Ledger  Ledger
	Log     *slog.Logger
	Metrics *Metrics
	Health  *Health
	// Ended is told how each run has ended, by the runs themselves: it does not wait.
	// It may be nil.
	Ended func(Outcome)
	// Leading is told when this daemon begins to lead, and when it has ended. It may be
	// nil.
	Leading func(bool)

	mu        sync.Mutex
	schedules []Schedule
	changed   chan struct{} // closed when schedules change
	drain     chan struct{} // closed by Drain
}

// New returns a daemon that has no schedules yet.
func New(e Elector, l Ledger, log *slog.Logger, m *Metrics, h *Health) *Daemon {
	return &Daemon{Elector: e, Ledger: l, Log: log, Metrics: m, Health: h, changed: make(chan struct{}), drain: make(chan struct{})}
}

// Schedule sets what is run, now and while Run is at work. A schedule that is gone or
// changed is let finish a run that it has begun, and one of the same name waits for
// that.
func (d *Daemon) Schedule(schedules []Schedule) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.schedules = schedules
	close(d.changed)
	d.changed = make(chan struct{})
}

// Drain lets Run end as soon as what is running has ended; nothing begins any more.
// A wait to lead goes on until it is decided. It is called once.
func (d *Daemon) Drain() { close(d.drain) }

func (d *Daemon) current() (schedules []Schedule, changed <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.schedules, d.changed
}

// Run works until ctx ends, which ends what is running too, or until Drain. When it
// returns nothing runs any more.
func (d *Daemon) Run(ctx context.Context) {
	said := ""
	for ctx.Err() == nil && !d.drained() {
		led := false
		err := d.Elector.Lead(ctx, func(ctx context.Context) {
			led = true
			d.Health.Set(RepositoryPart, nil)
			d.Log.Info("this daemon leads")
			d.Metrics.leads(true)
			defer d.Metrics.leads(false)
			if d.Leading != nil {
				d.Leading(true)
				defer d.Leading(false)
			}
			d.work(ctx)
		})
		switch {
		case ctx.Err() != nil || d.drained():
			return
		case fault.KindOf(err) == fault.Busy && !led:
			d.Health.Set(RepositoryPart, nil)
			d.Log.Debug("another daemon leads", "who", err)
		case err != nil:
			d.Health.Set(RepositoryPart, err)
			if led || said != err.Error() { // an outage of hours is said once
				d.Log.Warn("this daemon does not lead", "led", led, "error", err)
			}
			said = err.Error()
		}
		d.standBy(ctx)
	}
}

func (d *Daemon) drained() bool {
	select {
	case <-d.drain:
		return true
	default:
		return false
	}
}

// standBy waits before it is asked again who leads.
func (d *Daemon) standBy(ctx context.Context) {
	timer := time.NewTimer(standByPause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-d.drain:
	case <-timer.C:
	}
}

// running is a runner at work.
type running struct {
	definition string
	retire     context.CancelFunc
	done       chan struct{}
}

// work runs the schedules, and takes up their changes, until ctx ends or Drain. It
// returns when every runner has.
func (d *Daemon) work(ctx context.Context) {
	all := map[string]*running{}
	var group sync.WaitGroup
	defer group.Wait()
	for {
		schedules, changed := d.current()
		wanted := map[string]bool{}
		for _, s := range schedules {
			wanted[s.Name] = true
			before := all[s.Name]
			if before != nil && before.definition == s.Definition {
				continue
			}
			all[s.Name] = d.start(ctx, &group, s, before)
		}
		for name, r := range all {
			if !wanted[name] {
				r.retire()
				r.definition = "" // one of that name that comes back begins anew
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-d.drain:
			for _, r := range all {
				r.retire()
			}
			return
		case <-changed:
		}
	}
}

// start starts a schedule, once the one before it of that name has ended.
func (d *Daemon) start(ctx context.Context, group *sync.WaitGroup, s Schedule, before *running) *running {
	planning, retire := context.WithCancel(ctx)
	this := &running{definition: s.Definition, retire: retire, done: make(chan struct{})}
	r := &runner{Schedule: s, ledger: d.Ledger, log: d.Log, metrics: d.Metrics, health: d.Health, ended: d.Ended}
	group.Go(func() {
		defer close(this.done)
		defer retire()
		if before != nil {
			before.retire()
			<-before.done
		}
		d.Metrics.begins(s.Name)
		defer d.Metrics.ends(s.Name)
		defer d.Health.Set(r.part(), nil)
		r.loop(planning, ctx)
	})
	return this
}
