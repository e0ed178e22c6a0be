package main

import (
	"context"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/status"
)

const (
	// watchInterval is how often --watch looks again, and countInterval how often it
	// counts anew what is stored, which takes a request for every thousand files.
	watchInterval = 10 * time.Second
	countInterval = time.Hour
	// placeTimeout bounds the look at one copy (invariant 9).
	placeTimeout = 2 * time.Minute
)

type statusFlags struct {
	watch  bool
	noCost bool
}

func newStatus(a *app) *cobra.Command {
	var flags statusFlags
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say whether everything is well, and why not",
		Long: `Say whether everything is well: how old the newest restorable state of every source
is, whether drills have shown that it comes back, how long that takes, what the
copies hold, and what it all costs. It reads the repository and the configuration's
copies, and takes no private key.

The first line is the state and why: ok, warning or critical. Critical is that a
source cannot be restored, or not as recently as objectives.rpo promises, or that a
drill or the manifests have shown damage. A copy that cannot be reached is a warning.

3-2-1 wants three copies of the data, on two kinds of storage, in two places. The
data in production count as one copy, so the repository and one more copy make
three. A copy counts if it can be reached and holds a restorable point of every
source. A directory is taken to be where production is, unless repository.place or
copies[].place says where it is.

The exit code is 0 as soon as the repository could be read, whatever the state:
scripts read state from -o json. --watch looks again every 10 seconds, on a terminal,
until it is interrupted. --no-cost does not count what is stored, which takes a
request for every thousand files.

` + exitCodes,
		Example: `  openim-dr status --config openim-dr.yaml
  openim-dr status --watch
  openim-dr status --no-cost -o json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.status(cmd.Context(), flags) },
	}
	cmd.Flags().BoolVar(&flags.watch, "watch", false, "look again every 10 seconds until interrupted")
	cmd.Flags().BoolVar(&flags.noCost, "no-cost", false, "do not count what is stored")
	return cmd
}

func (a *app) status(ctx context.Context, flags statusFlags) error {
	if flags.watch && (a.out.json || !isTerminal(a.out.stdout)) {
		return usage("watch the status", "--watch draws on a terminal, and this is none").Hint("run status without --watch as often as needed")
	}
	d, err := a.configured("status")
	if err != nil {
		return err
	}
	o := newObserver(a, d, flags.noCost)
	if flags.watch {
		repeat(ctx, watchInterval, func() { a.redraw(o.look(ctx)) })
		return nil
	}
	s, err := o.look(ctx)
	if err != nil {
		return err
	}
	a.out.print(s, func(p *page) { writeStatus(p, s) })
	return nil
}

// repeat calls a function at once and then every so often, until ctx ends.
func repeat(ctx context.Context, every time.Duration, show func()) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for ctx.Err() == nil {
		show()
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// redraw puts a status in the place of what was on the terminal. That it could not be
// had is shown too, and does not end the watch.
func (a *app) redraw(s *status.Report, err error) {
	const clearScreen = "\x1b[H\x1b[2J"
	var p page
	if err != nil {
		p.line("unknown: %s", fault.OneLine(err.Error()))
	} else {
		writeStatus(&p, s)
	}
	p.line("")
	p.line("at %s, again every %s; Ctrl-C ends it", utc(time.Now()), watchInterval)
	a.out.raw(clearScreen + p.String())
}

// observer looks at the repository and its copies.
type observer struct {
	*app
	*deployment
	noCost bool
	// saw is told what the repository holds, each time it was read. It may be nil.
	saw func(ctx context.Context, c *config.Config, l *repository.Listing, log *repository.ScheduleLog, last map[string]*repository.ScheduleRun) error

	mu     sync.Mutex
	counts map[string]status.Stored // by URL, of the last count
}

func newObserver(a *app, d *deployment, noCost bool) *observer {
	return &observer{app: a, deployment: d, noCost: noCost, counts: map[string]status.Stored{}}
}

// look finds out the status now. Only the repository itself has to be readable.
func (o *observer) look(ctx context.Context) (*status.Report, error) {
	places := status.Places(o.config, o.url)
	group, groupCtx := errgroup.WithContext(ctx)
	for i := range places {
		group.Go(func() error {
			p := &places[i]
			if i == 0 {
				p.Err = o.visit(groupCtx, p)
				return p.Err
			}
			ctx, cancel := context.WithTimeout(groupCtx, placeTimeout)
			defer cancel()
			p.Err = o.visit(ctx, p)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return status.Judge(o.config, places, time.Now()), nil
}

// visit reads what one place holds.
func (o *observer) visit(ctx context.Context, p *status.Place) error {
	store, end, err := o.openStorage(ctx, p.URL, mustExist)
	if err != nil {
		return err
	}
	defer end()
	repo, err := repository.Open(ctx, store, repository.Options{Trust: o.trust, Cache: manifestCache(p.URL)})
	if err != nil {
		return err
	}
	if p.Listing, err = repo.ListLightly(ctx); err != nil {
		return err
	}
	if p.URL == o.url {
		log := &repository.ScheduleLog{Store: store, Repo: repo, Instance: o.config.Instance}
		if p.Runs, err = scheduleRuns(ctx, o.config, log); err != nil {
			return err
		}
		if o.saw != nil {
			if err := o.saw(ctx, o.config, p.Listing, log, p.Runs); err != nil {
				return err
			}
		}
	}
	if !o.noCost {
		p.Stored, p.NotCounted = o.count(ctx, p.URL, repo)
	}
	return nil
}

// count counts what is stored, or returns the last count while that is young.
func (o *observer) count(ctx context.Context, url string, repo *repository.Repository) (*status.Stored, error) {
	o.mu.Lock()
	last, counted := o.counts[url]
	o.mu.Unlock()
	if counted && time.Since(last.At) < countInterval {
		return &last, nil
	}
	files, bytes, err := repo.Stored(ctx)
	if err != nil {
		return nil, err
	}
	now := status.Stored{Files: files, Bytes: bytes, At: time.Now().UTC().Truncate(time.Second)}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.counts[url] = now
	return &now, nil
}
