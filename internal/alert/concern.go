package alert

import (
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/notify"
	"github.com/openim-dr/openim-dr/internal/status"
)

// Concern is something that people should know of.
type Concern struct {
	// About is of what sort it is and whom it is about: "rpo/main". A concern is the
	// same one as long as About is, however much worse it becomes.
	About    string
	Event    notify.Event
	Severity string // status.Warning or status.Critical
	Text     string // what is wrong
	Why      string // may be empty
	Try      string // what to do; may be empty
	// Occurrence tells apart what happens and does not last, such as one run from the
	// next. It is empty for what lasts.
	Occurrence string
}

// sort is what codes have in common that are about the same thing, and how it is told.
type sort struct {
	name  string
	event notify.Event
	try   string
}

// silent are reasons that nobody is woken for: advice that stands for as long as somebody
// has decided otherwise, and what the daemon that leads mends at once.
var silent = map[status.Code]bool{status.RuleNotMet: true, status.StoredUncounted: true, status.ScheduleUnseen: true}

// sorts says how each code is told. One that is not here is a failure of its own sort.
var sorts = map[status.Code]sort{
	status.ManifestDamaged:  {"manifest", notify.Failure, "openim-dr check"},
	status.ManifestLater:    {"manifest.later", notify.Failure, "run the version of openim-dr that has written it"},
	status.PointUntrusted:   {"point.untrusted", notify.Failure, "openim-dr list --all; find out who has written them before anything is restored"},
	status.PointQuarantined: {"point.quarantined", notify.Failure, "openim-dr list --all; compare the clocks of the daemon and of the storage"},
	status.SourceLost:       {"rpo", notify.Objective, "openim-dr backup"},
	status.RPOBreached:      {"rpo", notify.Objective, "openim-dr status; see why its schedule has no points: logs of the daemon"},
	status.RPOAtRisk:        {"rpo", notify.Objective, "have its schedule run more often, or see why it has failed"},
	status.RTOBreached:      {"rto", notify.Objective, "openim-dr show latest-proven says where the time goes"},
	status.RTOUnknown:       {"rto", notify.Objective, "openim-dr verify"},
	status.ProofMissing:     {"proof", notify.Proof, "openim-dr verify"},
	status.ProofOverdue:     {"proof", notify.Proof, "openim-dr verify"},
	status.DrillFailed:      {"drill", notify.Proof, "openim-dr show latest says what the drill found; then openim-dr verify"},
	status.StreamIncomplete: {"stream", notify.Failure, "openim-dr show latest says what is missing"},
	status.ScheduleFailed:   {"schedule", notify.Failure, "see the log of the daemon"},
	status.ScheduleMissed:   {"schedule.missed", notify.Missed, "see whether a daemon runs, and what its log says"},
	status.CopyUnreadable:   {"copy.unreadable", notify.Failure, "openim-dr status"},
	status.CopyDamaged:      {"copy.damaged", notify.Failure, "openim-dr check --repository COPY"},
	status.CopyLacks:        {"copy.behind", notify.Objective, "openim-dr copy --to COPY"},
	status.CopyBehind:       {"copy.behind", notify.Objective, "openim-dr copy --to COPY"},
	status.StoreUncovered:   {"store.uncovered", notify.Objective, "openim-dr doctor"},
}

// about is how a concern is called.
func about(sort, subject string) string { return strings.TrimSuffix(sort+"/"+subject, "/") }

// OfReason is the concern that a reason of a report is; ok is false where nobody is
// told.
func OfReason(r status.Reason) (c Concern, ok bool) {
	if silent[r.Code] {
		return Concern{}, false
	}
	s, known := sorts[r.Code]
	if !known {
		s = sort{string(r.Code), notify.Failure, ""}
	}
	return Concern{About: about(s.name, r.Subject), Event: s.event, Severity: r.Severity, Text: r.Text, Try: s.try}, true
}

// worse reports whether one severity is worse than another.
func worse(a, b string) bool { return a == status.Critical && b != status.Critical }

// Rule says what one receiver is told.
type Rule struct {
	Receiver    string
	On          []notify.Event // empty: all
	MinSeverity string         // empty: status.Warning
	// RemindAfter is how long after it was told a concern that lasts is told again.
	RemindAfter time.Duration
}

func (r *Rule) wants(e notify.Event) bool {
	for _, one := range r.On {
		if one == e {
			return true
		}
	}
	return len(r.On) == 0
}

func (r *Rule) takes(c *Concern) bool {
	return r.wants(c.Event) && !worse(r.MinSeverity, c.Severity)
}
