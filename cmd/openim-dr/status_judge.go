package main

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
	"github.com/openim-dr/openim-dr/internal/repository"
)

// States, the worst of which wins.
const (
	stateOK       = "ok"
	stateWarning  = "warning"
	stateCritical = "critical"
)

// statusReport is the whole answer.
type statusReport struct {
	State       string           `json:"state"`
	Reasons     []reason         `json:"reasons"` // the critical ones first
	Instance    string           `json:"instance"`
	Time        time.Time        `json:"time"`
	Streams     []streamStatus   `json:"streams"`
	Objectives  objectivesStatus `json:"objectives"`
	Proofs      []provenStatus   `json:"proofs"`
	Schedules   []scheduleStatus `json:"schedules"`
	Copies      []copyStatus     `json:"copies"` // the repository first
	ThreeTwoOne threeTwoOne      `json:"threeTwoOne"`
	Cost        costStatus       `json:"cost"`
}

// reason is why the state is not ok.
type reason struct {
	Severity string `json:"severity"`
	Text     string `json:"text"`
}

// streamStatus is the end of one stream.
type streamStatus struct {
	Stream     string    `json:"stream"`
	Point      string    `json:"point"`
	Time       time.Time `json:"time"`
	AgeSeconds float64   `json:"ageSeconds"`
	Seq        int64     `json:"seq"`
	Head       string    `json:"head"`   // SHA-256 of the manifest
	Points     int       `json:"points"` // that were not forgotten
	Complete   bool      `json:"complete"`
	// IncompleteSince is when the first of the incomplete points at the end began.
	IncompleteSince *time.Time `json:"incompleteSince"`
}

type objectivesStatus struct {
	RPO rpoStatus `json:"rpo"`
	RTO rtoStatus `json:"rto"`
}

// rpoStatus is how old what can be restored is.
type rpoStatus struct {
	ObjectiveSeconds *float64    `json:"objectiveSeconds"` // null: nothing was promised
	Sources          []rpoSource `json:"sources"`
}

type rpoSource struct {
	Source     string     `json:"source"`
	Point      string     `json:"point,omitempty"`
	Time       *time.Time `json:"time"` // of the state that comes back; null: none does
	AgeSeconds *float64   `json:"ageSeconds"`
	Met        *bool      `json:"met"`
}

// rtoStatus is how long the last drill took that restored every source.
type rtoStatus struct {
	ObjectiveSeconds *float64 `json:"objectiveSeconds"`
	MeasuredSeconds  *float64 `json:"measuredSeconds"` // null: no drill has measured it
	Drill            string   `json:"drill,omitempty"`
	Met              *bool    `json:"met"`
}

// provenStatus is the newest proven point of a source.
type provenStatus struct {
	Source     string     `json:"source"`
	Point      string     `json:"point,omitempty"`
	Proven     *time.Time `json:"proven"`     // when the drill ended; null: never
	AgeSeconds *float64   `json:"ageSeconds"` // since then
}

// judging is the making of a status.
type judging struct {
	config  *config.Config
	places  []visited // the repository first
	sources []string
	now     time.Time
	status  *statusReport
}

// judgeStatus says how things stand, by what was found and nothing else.
func judgeStatus(c *config.Config, places []visited, now time.Time) *statusReport {
	j := &judging{config: c, places: places, now: now, status: &statusReport{
		State: stateOK, Reasons: []reason{}, Instance: c.Instance, Time: now.UTC().Truncate(time.Second),
	}}
	for _, s := range c.Sources {
		j.sources = append(j.sources, s.Name)
	}
	points := places[0].listing
	j.broken(points)
	j.rpo(points)
	j.proofs(points)
	j.rto(points)
	j.streams(points)
	j.schedules()
	j.doubtful(points)
	j.copies()
	slices.SortStableFunc(j.status.Reasons, func(a, b reason) int { return strings.Compare(a.Severity, b.Severity) })
	if len(j.status.Reasons) > 0 {
		j.status.State = j.status.Reasons[0].Severity
	}
	return j.status
}

func (j *judging) say(severity, format string, args ...any) {
	j.status.Reasons = append(j.status.Reasons, reason{severity, fmt.Sprintf(format, args...)})
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
		j.say(stateCritical, "%s damaged: openim-dr check says which", plural(int64(damaged), "manifest")+are(damaged))
	}
	if tooNew > 0 {
		j.say(stateWarning, "%s of a later version of openim-dr, and not counted", plural(int64(tooNew), "point")+are(tooNew))
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
	rpo := rpoStatus{ObjectiveSeconds: orNull(promised), Sources: []rpoSource{}}
	for _, name := range j.sources {
		s := rpoSource{Source: name}
		newest := l.Newest(j.config.Instance, name)
		if newest == nil {
			j.say(stateCritical, "source %s has no restorable point", name)
		} else {
			part, _ := newest.SourceNamed(name)
			s.Point, s.Time, s.AgeSeconds = newest.Point, &part.Started, j.age(part.Started)
		}
		if promised > 0 {
			met := newest != nil && *s.AgeSeconds <= promised.Seconds()
			s.Met = &met
			if newest != nil && !met {
				j.say(stateCritical, "the newest restorable state of source %s is %s old, and the objective is %s", name, ageOf(*s.AgeSeconds), j.config.Objectives.RPO)
			}
		}
		rpo.Sources = append(rpo.Sources, s)
	}
	j.status.Objectives.RPO = rpo
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
	j.status.Proofs = []provenStatus{}
	var never []string
	for _, name := range j.sources {
		s := provenStatus{Source: name}
		if p := l.NewestProven(j.config.Instance, name); p != nil {
			s.Point, s.Proven = p.Point, p.ProvenSource(name)
			s.AgeSeconds = j.age(*s.Proven)
		} else if l.Newest(j.config.Instance, name) != nil {
			never = append(never, name)
		}
		j.status.Proofs = append(j.status.Proofs, s)
	}
	if len(never) > 0 {
		j.say(stateWarning, "no drill has shown that %s back: openim-dr verify", comes(never))
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
	severity := stateWarning
	if f := last[0].Failure; f == repository.FailedDamaged || f == repository.FailedDiffers {
		severity = stateCritical
	}
	why := "it did not pass"
	if len(last[0].Reasons) > 0 {
		why = last[0].Reasons[0]
	}
	j.say(severity, "the last drill, of %s, has failed: %s", utc(last[0].Started), why)
}

// rto holds the last restore of everything that was measured against what was promised.
func (j *judging) rto(l *repository.Listing) {
	promised := j.config.Objectives.RTO.Duration()
	rto := rtoStatus{ObjectiveSeconds: orNull(promised)}
	if b := j.measured(l); b != nil {
		rto.Drill, rto.MeasuredSeconds = b.Drill, &b.RTO.Seconds
	}
	switch {
	case promised <= 0:
	case rto.MeasuredSeconds == nil:
		j.say(stateWarning, "how long a restore of every source takes was never measured, and the objective is %s", j.config.Objectives.RTO)
	default:
		met := *rto.MeasuredSeconds <= promised.Seconds()
		if rto.Met = &met; !met {
			j.say(stateWarning, "the last drill took %s to restore, and the objective is %s", whole(*rto.MeasuredSeconds), j.config.Objectives.RTO)
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
	j.status.Streams = []streamStatus{}
	byName := map[string][]*repository.Point{}
	for _, p := range l.Points {
		if p.Instance == j.config.Instance && p.Untrusted == nil {
			byName[p.Stream] = append(byName[p.Stream], p)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		head := l.Head(j.config.Instance, name)
		s := streamStatus{
			Stream: name, Point: head.Point, Time: head.Started, AgeSeconds: *j.age(head.Started), Seq: head.Seq, Head: head.SHA256, Complete: head.Complete,
			IncompleteSince: incompleteSince(byName[name]),
		}
		for _, p := range byName[name] {
			if p.Forgotten == nil {
				s.Points++
			}
		}
		if s.IncompleteSince != nil && name != repository.RollbackStream {
			j.say(stateWarning, "stream %s has had incomplete points since %s", name, utc(*s.IncompleteSince))
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
		j.say(stateWarning, "%s not signed by anybody who is trusted", plural(int64(untrusted), "point")+are(untrusted))
	}
	if quarantined > 0 {
		j.say(stateWarning, "%s quarantined: openim-dr list --all", plural(int64(quarantined), "point")+are(quarantined))
	}
}
