package main

import (
	"context"
	"reflect"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/daemon"
	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/status"
	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/web"
)

const (
	// observeInterval is how often a daemon looks how things stand, besides after each run.
	observeInterval = 5 * time.Minute
	// reloadInterval is how often the configuration is read, and how long a daemon
	// waits for a repository that does not answer.
	reloadInterval = 10 * time.Second
	// httpTimeout bounds each request, and the wait for the last ones at the end.
	httpTimeout = 10 * time.Second
)

type runFlags struct{ http string }

func newRun(a *app) *cobra.Command {
	var flags runFlags
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the configuration's schedules until stopped",
		Long: `Run the schedules of the configuration, until SIGTERM or an interrupt: backups,
drills, prunes, copies and checks, each as the verb of that name does it. What is
running then is stopped, and counts as not done.

How each run ended is noted in the repository, so that a daemon that was away knows
what it has missed. Several daemons of one instance may run at once: one leads, by a
lease of the repository or by a Lease of Kubernetes (daemon.election), and another
takes over where that one is gone. A run that failed is tried again where that may
help.

The configuration is read again when its file changes. One that is not right changes
nothing: the daemon goes on with the one before, and says so in its log, under /readyz
and on the status page. Jobs that run go on with the configuration that they began with.

--http shows a status page under /, the same as JSON under /api/v1/, and metrics for
Prometheus under /metrics, to whoever gives the token of daemon.http.token, if there is
one; a browser takes it as a password, with any user. Probes are answered to everybody
under /livez and /readyz. With daemon.http.certificate it speaks TLS. Nothing can be
changed there.

` + exitCodes,
		Example: `  openim-dr run --config openim-dr.yaml
  openim-dr run --config openim-dr.yaml --http :8080 --log-level warn`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.run(cmd.Context(), flags) },
	}
	cmd.Flags().StringVar(&flags.http, "http", "", "`ADDRESS` of the status page, the API, metrics and probes, such as :8080; without it none")
	return cmd
}

func (a *app) run(ctx context.Context, flags runFlags) error {
	r := newRunDaemon(a)
	c, err := r.load()
	if err != nil {
		return err
	}
	r.take(c)
	telling, silence, err := r.newTelling(ctx)
	if err != nil {
		return err
	}
	defer silence()
	r.telling = telling
	r.observer = r.newObserver()
	r.health.Changed = r.observer.Again
	end, err := r.serve(ctx, flags.http)
	if err != nil {
		return err
	}
	defer end()
	giveBackStart()
	for ctx.Err() == nil {
		if err := r.untilMoved(ctx); err != nil {
			return err
		}
	}
	a.log.Info("the daemon has ended")
	return nil
}

// newRunDaemon registers everything that a daemon measures, calls to storages among it.
func newRunDaemon(a *app) *runDaemon {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo())
	r := &runDaemon{
		app: a, registry: registry, health: new(daemon.Health), board: web.NewBoard(),
		metrics: daemon.NewMetrics(registry), status: daemon.NewStatusMetrics(registry), notices: daemon.NewNotifyMetrics(registry),
	}
	a.activity = r.board.Activity
	count, plain := daemon.NewStorageMetrics(registry), a.wrap
	a.wrap = func(s storage.Storage) storage.Storage { return storage.Counted(plain(s), count) }
	return r
}

func buildInfo() prometheus.Collector {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "openim_dr_build_info", Help: "What runs; always 1.", ConstLabels: prometheus.Labels{"version": version},
	})
	info.Set(1)
	return info
}

// runDaemon is the daemon of a process, whatever becomes of its configuration.
type runDaemon struct {
	app      *app
	registry *prometheus.Registry
	metrics  *daemon.Metrics
	status   *daemon.StatusMetrics
	notices  *daemon.NotifyMetrics
	health   *daemon.Health
	board    *web.Board
	listens  bool // whether by TLS, and by which files, is decided
	telling  *telling
	observer *daemon.Observer
	runs     map[string][]repository.ScheduleRun // that were read last: of the observer alone

	mu     sync.Mutex
	config *config.Config
}

// configuration is the one that counts now.
func (r *runDaemon) configuration() *config.Config {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.config
}

// load reads the configuration.
func (r *runDaemon) load() (*config.Config, error) {
	if r.app.common.repository != "" {
		return nil, usage("run", "schedules work on the configuration's repository, and --repository names another").Hint("leave --repository out")
	}
	d, err := r.app.configured("run")
	if err != nil {
		return nil, err
	}
	if len(d.config.Schedules) == 0 {
		return nil, usage("run", "the configuration has no schedules").Hint("say what to do and when; `openim-dr config example` shows every key")
	}
	return d.config, r.refuseTLS(d.config)
}

// take lets a configuration count.
func (r *runDaemon) take(c *config.Config) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.config = c
}

// untilMoved runs the daemon until ctx ends, or the configuration leads to another
// repository, is that of another instance, or elects otherwise.
func (r *runDaemon) untilMoved(ctx context.Context) error {
	a, at := r.app, r.configuration()
	store, end, err := a.openStorage(ctx, at.Repository.URL, mustExist)
	if err != nil {
		return r.waitFor(ctx, err)
	}
	defer end()
	d, err := a.worker(at, "").deployment()
	if err != nil {
		return err
	}
	repo, err := repository.Open(ctx, store, repository.Options{Trust: d.trust})
	if err != nil {
		return r.waitFor(ctx, err)
	}
	r.health.Set(daemon.RepositoryPart, nil)
	r.telling.opened(nil)
	elector, err := electorOf(at, store)
	if err != nil {
		return err
	}
	running := daemon.New(elector,
		&repository.ScheduleLog{Store: store, Repo: repo, Instance: at.Instance}, a.log, r.metrics, r.health)
	running.Schedule(a.schedules(at))
	running.Ended = func(o daemon.Outcome) {
		r.telling.RunEnded(o.Run, o.Err, o.Next)
		r.observer.Again()
	}
	book := &repository.NoticeLog{Store: store, Repo: repo, Instance: at.Instance}
	running.Leading = func(leads bool) {
		r.telling.lead(ctx, leads, book)
		r.observer.Again()
	}
	r.runs = nil // those of another repository

	beside, stop := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() { r.watch(beside, running) })
	group.Go(func() { r.observer.Run(beside) })
	running.Run(ctx)
	stop()
	group.Wait()
	return nil
}

// newObserver returns who looks at how things stand, by the configuration as it is then.
func (r *runDaemon) newObserver() *daemon.Observer {
	var eyes *observer
	var covered *coverage
	var of *config.Config
	return &daemon.Observer{
		Every: observeInterval, Log: r.app.log,
		Look: func(ctx context.Context) (*status.Report, error) {
			if now := r.configuration(); now != of {
				d, err := r.app.worker(now, "").deployment()
				if err != nil {
					return nil, err
				}
				eyes, of = newObserver(r.app, d, false), now
				eyes.saw, covered = r.saw, &coverage{config: now}
			}
			var findings []source.Finding
			var group sync.WaitGroup
			group.Go(func() { findings = covered.look(ctx) })
			report, err := eyes.look(ctx)
			group.Wait()
			giveBackStart() // a look is nearly all that an idle daemon does, and needs much of the program
			switch {
			case err == nil:
				report.Cover(findings)
				report.Add(r.health.Reasons()...)
			case ctx.Err() == nil:
				r.board.Failed(err)
			}
			return report, err
		},
		Tell:  []func(context.Context, *status.Report){func(_ context.Context, s *status.Report) { r.status.Set(s) }, r.board.Report, r.telling.look},
		Blind: r.telling.Blind,
	}
}

// waitFor waits where the repository may yet answer, and returns any other error.
func (r *runDaemon) waitFor(ctx context.Context, err error) error {
	if fault.KindOf(err) != fault.Failed || ctx.Err() != nil {
		return err
	}
	r.health.Set(daemon.RepositoryPart, err)
	r.board.Failed(err)
	r.telling.opened(err)
	r.app.log.Warn("the repository cannot be opened", "error", err.Error())
	select {
	case <-ctx.Done():
	case <-time.After(reloadInterval):
	}
	return nil
}

// watch takes up changes of the configuration until ctx ends.
func (r *runDaemon) watch(ctx context.Context, running *daemon.Daemon) {
	ticker := time.NewTicker(reloadInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		before := r.configuration()
		now, err := r.load()
		if r.health.Set(daemon.ConfigurationPart, err); err != nil {
			r.app.log.Error("the configuration is not right, and the one before stays", "error", err.Error())
			continue
		}
		if reflect.DeepEqual(before, now) {
			continue
		}
		r.take(now)
		r.telling.begin(now)
		if now.Instance != before.Instance || !reflect.DeepEqual(now.Repository, before.Repository) || !reflect.DeepEqual(electionIn(now), electionIn(before)) {
			r.app.log.Info("the configuration has another repository or election; what runs is let end")
			running.Drain()
			return
		}
		r.app.log.Info("the configuration has changed")
		running.Schedule(r.app.schedules(now))
	}
}
