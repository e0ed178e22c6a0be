package status

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/repository"
)

// maxAhead is how far clocks may be apart, until ages are not to be relied on.
const maxAhead = 5 * time.Minute

// judging is the making of a status.
type judging struct {
	config  *config.Config
	places  []Place // the repository first
	sources []string
	now     time.Time
	status  *Report
}

// Judge says how things stand, by what was found in places, the repository first, and
// nothing else.
func Judge(c *config.Config, places []Place, now time.Time) *Report {
	j := &judging{config: c, places: places, now: now, status: &Report{
		State: OK, Reasons: []Reason{}, Instance: c.Instance, Time: now.UTC().Truncate(time.Second),
	}}
	for _, s := range c.Sources {
		j.sources = append(j.sources, s.Name)
	}
	points := places[0].Listing
	j.broken(points)
	j.rpo(points)
	j.proofs(points)
	j.rto(points)
	j.streams(points)
	j.schedules()
	j.doubtful(points)
	j.copies()
	j.status.settle()
	return j.status
}

// settle lets the worst reason win.
func (r *Report) settle() {
	slices.SortStableFunc(r.Reasons, func(a, b Reason) int { return strings.Compare(a.Severity, b.Severity) })
	if len(r.Reasons) > 0 {
		r.State = r.Reasons[0].Severity
	}
}

// Add adds reasons that whoever has looked knows besides.
func (r *Report) Add(reasons ...Reason) {
	r.Reasons = append(r.Reasons, reasons...)
	r.settle()
}

func (j *judging) say(severity string, code Code, subject, format string, args ...any) {
	j.status.Reasons = append(j.status.Reasons, Reason{severity, code, subject, fmt.Sprintf(format, args...)})
}

func (j *judging) age(since time.Time) *float64 {
	age := max(j.now.Sub(since), 0).Seconds()
	return &age
}

// broken judges manifests that cannot be read: damaged ones, and those of a later
// version.
func (j *judging) broken(l *repository.Listing) {
	damaged := damagedIn(l)
	tooNew := len(l.Broken) - damaged
	if damaged > 0 {
		j.say(Critical, ManifestDamaged, "", "%s damaged: openim-dr check says which", quantity.Plural(int64(damaged), "manifest")+are(damaged))
	}
	if tooNew > 0 {
		j.say(Warning, ManifestLater, "", "%s of a later version of openim-dr, and not counted", quantity.Plural(int64(tooNew), "point")+are(tooNew))
	}
}

func damagedIn(l *repository.Listing) (n int) {
	for _, b := range l.Broken {
		if fault.KindOf(b.Err) == fault.Corrupt {
			n++
		}
	}
	return n
}

func are(n int) string {
	if n == 1 {
		return " is"
	}
	return " are"
}

// rpo holds the newest restorable state of every source against what was promised.
func (j *judging) rpo(l *repository.Listing) {
	promised := j.config.Objectives.RPO.Duration()
	rpo := RPO{ObjectiveSeconds: orNull(promised), Sources: []RPOSource{}}
	for _, name := range j.sources {
		s := RPOSource{Source: name}
		newest := l.Newest(j.config.Instance, name)
		if newest == nil {
			j.say(Critical, SourceLost, name, "source %s has no restorable point", name)
		} else {
			part, _ := newest.SourceNamed(name)
			s.Point, s.Time, s.AgeSeconds, s.Summary = newest.Point, &part.Started, j.age(part.Started), &part.Summary
			if ahead := part.Started.Sub(j.now); ahead > maxAhead {
				j.say(Warning, ClocksApart, name, "the newest restorable state of source %s was captured at %s, and by the clock of this machine that is in %s", name, quantity.UTC(part.Started), quantity.Age(ahead.Seconds()))
			}
		}
		if promised > 0 {
			met := newest != nil && *s.AgeSeconds <= promised.Seconds()
			s.Met = &met
			if newest != nil && !met {
				j.say(Critical, RPOBreached, name, "the newest restorable state of source %s is %s old, and the objective is %s", name, quantity.Age(*s.AgeSeconds), j.config.Objectives.RPO)
			} else if met {
				j.atRisk(name, s.Time.Add(promised))
			}
		}
		rpo.Sources = append(rpo.Sources, s)
	}
	j.status.Objectives.RPO = rpo
}

// atRisk warns where the newest state of a source will be too old before the next run
// that takes it is due. Where no schedule takes it, nobody can tell.
func (j *judging) atRisk(name string, tooOld time.Time) {
	var next time.Time
	for _, s := range j.config.Schedules {
		if !slices.Contains(s.Sources, name) {
			continue
		}
		last := j.now
		if run := j.places[0].Runs[s.Name]; run != nil && !run.Due.IsZero() {
			last = run.Due // the run after it may be going on
		}
		if due := s.Cron.Next(last); !due.IsZero() && (next.IsZero() || due.Before(next)) {
			next = due
		}
	}
	if next.After(tooOld) {
		j.say(Warning, RPOAtRisk, name, "the newest restorable state of source %s will be older than the objective of %s at %s, and the next run that takes it is due at %s",
			name, j.config.Objectives.RPO, quantity.UTC(tooOld), quantity.UTC(next))
	}
}

func orNull(d time.Duration) *float64 {
	if d <= 0 {
		return nil
	}
	seconds := d.Seconds()
	return &seconds
}

// proofs judges what drills have shown of each source.
func (j *judging) proofs(l *repository.Listing) {
	j.status.Proofs = []Proven{}
	var never []string
	for _, name := range j.sources {
		s := Proven{Source: name}
		if p := l.NewestProven(j.config.Instance, name); p != nil {
			s.Point, s.Proven = p.Point, p.ProvenSource(name)
			s.AgeSeconds = j.age(*s.Proven)
			if most := j.config.Objectives.Proof; most > 0 && *s.AgeSeconds > most.Duration().Seconds() {
				j.say(Warning, ProofOverdue, name, "the last drill that has shown that source %s comes back was %s ago, and the objective is %s: openim-dr verify", name, quantity.Age(*s.AgeSeconds), most)
			}
		} else if l.Newest(j.config.Instance, name) != nil {
			never = append(never, name)
		}
		j.status.Proofs = append(j.status.Proofs, s)
	}
	if len(never) > 0 {
		j.say(Warning, ProofMissing, "", "no drill has shown that %s back: openim-dr verify", comes(never))
	}
	j.lastDrill(l)
}

func comes(sources []string) string {
	if len(sources) == 1 {
		return "source " + sources[0] + " comes"
	}
	return "sources " + strings.Join(sources, ", ") + " come"
}

// lastDrill judges how the last drill ended. What was damaged stays critical until a
// drill has passed.
func (j *judging) lastDrill(l *repository.Listing) {
	last := l.ProofsOf(j.config.Instance, 1)
	if len(last) == 0 || last[0].Passed {
		return
	}
	severity := Warning
	if f := last[0].Failure; f == repository.FailedDamaged || f == repository.FailedDiffers {
		severity = Critical
	}
	why := "it did not pass"
	if len(last[0].Reasons) > 0 {
		why = last[0].Reasons[0]
	}
	j.say(severity, DrillFailed, "", "the last drill, of %s, has failed: %s", quantity.UTC(last[0].Started), why)
}

// rto holds the last restore of everything that was measured against what was promised.
func (j *judging) rto(l *repository.Listing) {
	promised := j.config.Objectives.RTO.Duration()
	rto := RTO{ObjectiveSeconds: orNull(promised)}
	if b := j.measured(l); b != nil {
		rto.Drill, rto.MeasuredSeconds = b.Drill, &b.RTO.Seconds
	}
	switch {
	case promised <= 0:
	case rto.MeasuredSeconds == nil:
		j.say(Warning, RTOUnknown, "", "how long a restore of every source takes was never measured, and the objective is %s", j.config.Objectives.RTO)
	default:
		met := *rto.MeasuredSeconds <= promised.Seconds()
		if rto.Met = &met; !met {
			j.say(Warning, RTOBreached, "", "the last drill took %s to restore, and the objective is %s", quantity.Whole(*rto.MeasuredSeconds), j.config.Objectives.RTO)
		}
	}
	j.status.Objectives.RTO = rto
}

// measured is the newest drill that has restored every source whole, and passed.
func (j *judging) measured(l *repository.Listing) *repository.BriefProof {
	for _, b := range slices.Backward(l.ProofsOf(j.config.Instance, math.MaxInt)) {
		lacks := func(source string) bool {
			_, ok := b.PointOf(source)
			return !ok
		}
		if b.Proves() && !slices.ContainsFunc(j.sources, lacks) {
			return b
		}
	}
	return nil
}

// streams judges how each stream of the instance ends.
func (j *judging) streams(l *repository.Listing) {
	j.status.Streams = []Stream{}
	byName := map[string][]*repository.Point{}
	for _, p := range l.Points {
		if p.Instance == j.config.Instance && p.Untrusted == nil {
			byName[p.Stream] = append(byName[p.Stream], p)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		head := l.Head(j.config.Instance, name)
		s := Stream{
			Stream: name, Point: head.Point, Time: head.Started, AgeSeconds: *j.age(head.Started), Seq: head.Seq, Head: head.SHA256, Complete: head.Complete,
			IncompleteSince: incompleteSince(byName[name]),
		}
		for _, p := range byName[name] {
			if p.Forgotten == nil {
				s.Points++
			}
		}
		if s.IncompleteSince != nil && name != repository.RollbackStream {
			j.say(Warning, StreamIncomplete, name, "stream %s has had incomplete points since %s", name, quantity.UTC(*s.IncompleteSince))
		}
		j.status.Streams = append(j.status.Streams, s)
	}
}

// incompleteSince is when the incomplete points at the end of a stream begin.
func incompleteSince(points []*repository.Point) *time.Time {
	var since *time.Time
	bySeq := slices.SortedFunc(slices.Values(points), func(a, b *repository.Point) int { return cmp.Compare(a.Seq, b.Seq) })
	for _, p := range slices.Backward(bySeq) {
		if p.Complete {
			break
		}
		since = &p.Started
	}
	return since
}

// doubtful judges points that count for nothing because they cannot be believed.
func (j *judging) doubtful(l *repository.Listing) {
	untrusted, quarantined := 0, 0
	for _, p := range l.Points {
		switch {
		case p.Instance != j.config.Instance || p.Forgotten != nil || p.Shredded != nil:
		case p.Untrusted != nil:
			untrusted++
		case p.Quarantined != "":
			quarantined++
		}
	}
	if untrusted > 0 {
		j.say(Warning, PointUntrusted, "", "%s not signed by anybody who is trusted", quantity.Plural(int64(untrusted), "point")+are(untrusted))
	}
	if quarantined > 0 {
		j.say(Warning, PointQuarantined, "", "%s quarantined: openim-dr list --all", quantity.Plural(int64(quarantined), "point")+are(quarantined))
	}
}
