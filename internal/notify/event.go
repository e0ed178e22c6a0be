package notify

// Event is a sort of message, of which a receiver may want some and not others.
type Event string

// Events.
const (
	Failure   Event = "failure"   // a run has failed for good, something is damaged, untrusted or unreadable
	Recovery  Event = "recovery"  // what was told before is over
	Missed    Event = "missed"    // a schedule has had no run when it was due
	Objective Event = "objective" // RPO or RTO at risk, breached or unknown; copies that are behind
	Proof     Event = "proof"     // a drill has failed, or is overdue
	Drift     Event = "drift"     // objects of a cluster were changed by hand
	Shrink    Event = "shrink"    // a source has lost more than it may
)

// Events lists all of them.
var Events = []Event{Failure, Recovery, Missed, Objective, Proof, Drift, Shrink}
