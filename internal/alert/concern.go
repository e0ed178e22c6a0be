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
}

// silent are reasons that nobody is woken for: advice that stands for as long as somebody
// has decided otherwise, and what the daemon that leads mends at once.
var silent = map[status.Code]bool{status.RuleNotMet: true, status.StoredUncounted: true, status.ScheduleUnseen: true, status.CoverageUnknown: true}

// sorts says how each code is told. One that is not here is a failure of its own sort.
var sorts = map[status.Code]sort{
	status.ManifestDamaged:  {"manifest", notify.Failure},
	status.ManifestLater:    {"manifest.later", notify.Failure},
	status.PointUntrusted:   {"point.untrusted", notify.Failure},
	status.PointQuarantined: {"point.quarantined", notify.Failure},
	status.SourceLost:       {"rpo", notify.Objective},
	status.RPOBreached:      {"rpo", notify.Objective},
	status.RPOAtRisk:        {"rpo", notify.Objective},
	status.RTOBreached:      {"rto", notify.Objective},
	status.RTOUnknown:       {"rto", notify.Objective},
	status.ProofMissing:     {"proof", notify.Proof},
	status.ProofOverdue:     {"proof", notify.Proof},
	status.DrillFailed:      {"drill", notify.Proof},
	status.StreamIncomplete: {"stream", notify.Failure},
	status.ScheduleFailed:   {"schedule", notify.Failure},
	status.ScheduleMissed:   {"schedule.missed", notify.Missed},
	status.CopyUnreadable:   {"copy.unreadable", notify.Failure},
	status.CopyDamaged:      {"copy.damaged", notify.Failure},
	status.CopyLacks:        {"copy.behind", notify.Objective},
	status.CopyBehind:       {"copy.behind", notify.Objective},
	status.StoreUncovered:   {"store.uncovered", notify.Objective},
	status.ClocksApart:      {"clocks.apart", notify.Failure},

	status.DaemonConfiguration: {"configuration", notify.Failure},
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
		s = sort{string(r.Code), notify.Failure}
	}
	return Concern{About: about(s.name, r.Subject), Event: s.event, Severity: r.Severity, Text: r.Text, Try: r.Code.Advice()}, true
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
