package daemon

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/openim-dr/openim-dr/internal/status"
)

// BlindAfter is for how long nothing can be seen before that is told: what passes by
// itself wakes nobody.
const BlindAfter = 15 * time.Minute

// Observer looks at how things stand, again and again, and tells what it saw. Its
// fields are set before Run.
type Observer struct {
	// Look judges the deployment now. An error says that nothing could be seen.
	Look func(ctx context.Context) (*status.Report, error)
	// Tell is called with every report, one after the other.
	Tell []func(ctx context.Context, r *status.Report)
	// Blind is told with every look that shows nothing, once nothing could be seen for a
	// while: since when, and why. It may be nil.
	Blind func(since time.Time, err error)
	Every time.Duration
	Log   *slog.Logger

	once  sync.Once
	again chan struct{}
}

func (o *Observer) nudges() chan struct{} {
	o.once.Do(func() { o.again = make(chan struct{}, 1) })
	return o.again
}

// Again lets Run look at once. It does not wait, and is safe for concurrent use.
func (o *Observer) Again() {
	select {
	case o.nudges() <- struct{}{}:
	default: // it is about to look anyway
	}
}

// Run looks now, whenever Again is called, and every so often, until ctx ends.
func (o *Observer) Run(ctx context.Context) {
	ticker := time.NewTicker(o.Every)
	defer ticker.Stop()
	said, state, seen := "", "", time.Now()
	for ctx.Err() == nil {
		report, err := o.Look(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if said != err.Error() { // an outage of hours is said once
				o.Log.Warn("how things stand cannot be seen", "error", err)
			}
			said = err.Error()
			if o.Blind != nil && time.Since(seen) >= BlindAfter {
				o.Blind(seen, err)
			}
		default:
			if report.State != state {
				o.Log.Info("how things stand has changed", "state", report.State, "reasons", len(report.Reasons))
			}
			said, state, seen = "", report.State, time.Now()
			for _, tell := range o.Tell {
				tell(ctx, report)
			}
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		case <-o.nudges():
		}
	}
}
