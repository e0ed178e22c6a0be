package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/alert"
	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/kube"
	"github.com/openim-dr/openim-dr/internal/notify"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/status"
)

const (
	// changesTimeout bounds the comparison of two points (invariant 9).
	changesTimeout = 5 * time.Minute
	// mostByHand bounds the lines of a message about what was changed by hand.
	mostByHand = 10
)

// changeLogger says what has changed in clusters between the points that schedules
// take, and tells what was changed by hand. It is used by one goroutine.
type changeLogger struct {
	*app

	configuration func() *config.Config
	leads         func() bool
	tell          func(alert.Concern)
	seen          map[string]string // the point that was compared last, by schedule and source
}

// look compares the points that are new in a report. That it cannot is logged, and tried
// again with the next report.
func (l *changeLogger) look(ctx context.Context, report *status.Report) {
	if !l.leads() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, changesTimeout)
	defer cancel()
	c := l.configuration()
	for _, s := range c.Schedules {
		i := slices.IndexFunc(report.Streams, func(one status.Stream) bool { return one.Stream == s.Name })
		if i < 0 || !report.Streams[i].Complete {
			continue
		}
		for _, name := range s.Sources {
			source, _ := c.SourceNamed(name)
			key, point := s.Name+"/"+name, report.Streams[i].Point
			if source.Kind != kube.Kind || l.seen[key] == point {
				continue
			}
			if err := l.compare(ctx, c, name, l.seen[key], point); err != nil {
				l.log.Warn("what has changed in the cluster cannot be said", "source", name, "point", point, "error", err.Error())
				if fault.KindOf(err) == fault.Failed {
					continue // it may be said with the next report
				}
			}
			l.seen[key] = point
		}
	}
}

// compare logs and tells what has changed between a point and the one that was compared
// last, or else the one before it.
func (l *changeLogger) compare(ctx context.Context, c *config.Config, source, before, point string) error {
	d, err := l.worker(c, "").deployment()
	if err != nil {
		return err
	}
	repo, end, err := d.open(ctx, l.app)
	if err != nil {
		return err
	}
	defer end()
	listing, err := repo.List(ctx)
	if err != nil {
		return err
	}
	pair, err := choosePair(listing, changesFlags{from: before, to: point, source: source}, c.Instance)
	if err != nil && before != "" { // it was swept meanwhile
		pair, err = choosePair(listing, changesFlags{to: point, source: source}, c.Instance)
	}
	if err != nil {
		l.log.Debug("there is no point before to compare with", "source", source, "point", point)
		return nil
	}
	from, _ := repository.SourceOf(repo.Unlock(pair.from, nil), source)
	to, _ := repository.SourceOf(repo.Unlock(pair.to, nil), source)
	changes, err := kube.ListChanges(ctx, from, to)
	if err != nil {
		return err
	}
	l.say(source, pair, changes)
	return nil
}

func (l *changeLogger) say(source string, pair pointPair, changes []kube.Change) {
	count := map[kube.ChangeKind]int{}
	byHand := slices.DeleteFunc(slices.Clone(changes), func(c kube.Change) bool { return !c.Manual })
	for _, c := range changes {
		count[c.Change]++
	}
	l.log.Info("cluster compared with the point before", "source", source, "stream", pair.to.Stream, "from", pair.from.Point, "to", pair.to.Point,
		"added", count[kube.Added], "removed", count[kube.Removed], "changed", count[kube.Changed], "byHand", len(byHand))
	if len(byHand) == 0 {
		return
	}
	l.tell(alert.Concern{
		About: "drift/" + source, Event: notify.Drift, Severity: status.Warning, Occurrence: pair.to.Point,
		Text: fmt.Sprintf("%s changed by hand between %s and %s:\n%s", objectsWere(len(byHand), source), utc(pair.from.Started), utc(pair.to.Started), handWork(byHand)),
		Try:  fmt.Sprintf("openim-dr changes --from %s --to %s --identity operator.key names them, field by field", pair.from.Point, pair.to.Point),
	})
}

// handwork is what one hand has done to objects of one kind.
type handwork struct {
	change              kube.ChangeKind
	namespace, kind, by string
	objects             int64
	newest              time.Time
}

// handWork says who has changed what, a line for each kind, namespace and hand. Objects
// have no names there: those are sealed.
func handWork(changes []kube.Change) string {
	var all []handwork
	for _, c := range changes {
		one := handwork{change: c.Change, namespace: c.Namespace, kind: c.Kind, by: c.By}
		i := slices.IndexFunc(all, func(w handwork) bool {
			return w.change == one.change && w.namespace == one.namespace && w.kind == one.kind && w.by == one.by
		})
		if i < 0 {
			all = append(all, one)
			i = len(all) - 1
		}
		all[i].objects++
		if c.At != nil && c.At.After(all[i].newest) {
			all[i].newest = *c.At
		}
	}
	slices.SortStableFunc(all, func(a, b handwork) int { return cmp.Compare(b.objects, a.objects) })
	var lines []string
	for _, w := range all[:min(len(all), mostByHand)] {
		lines = append(lines, w.String())
	}
	if more := len(all) - mostByHand; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more lines like these", more))
	}
	return strings.Join(lines, "\n")
}

// String is one line: "2 ConfigMap changed in namespace openim, by kubectl-edit, last at …".
func (w handwork) String() string {
	text := fmt.Sprintf("%d %s %s", w.objects, w.kind, w.change)
	if w.namespace != "" {
		text += " in namespace " + w.namespace
	}
	if w.by != "" {
		text += ", by " + w.by
	}
	if !w.newest.IsZero() {
		text += ", last at " + utc(w.newest)
	}
	return printable(text)
}

func objectsWere(n int, source string) string {
	if n == 1 {
		return "1 object of source " + source + " was"
	}
	return fmt.Sprintf("%d objects of source %s were", n, source)
}
