package web

import "github.com/openim-dr/openim-dr/internal/status"

// advice is what to do about a reason.
var advice = map[status.Code]string{
	status.ManifestDamaged:  "Look with `openim-dr check` which points are concerned, and take a new point. A copy may hold the manifest.",
	status.ManifestLater:    "Update this daemon to the version that has taken them.",
	status.PointUntrusted:   "Find out who has written them. Where it was right, add the signer to repository.trustedSigners.",
	status.PointQuarantined: "Set the clocks right, and take a new point.",
	status.SourceLost:       "Take a point now: `openim-dr backup`. Until then the source cannot be restored.",
	status.RPOBreached:      "See below why its last run has failed or was missed, and take a point: `openim-dr backup`.",
	status.RPOAtRisk:        "Schedule it more often, or take a point before: `openim-dr backup`.",
	status.RTOBreached:      "See in the report of the drill where the time went. Give the restore more workers, or promise less.",
	status.RTOUnknown:       "Run a drill of every source: `openim-dr verify`.",
	status.ProofMissing:     "Run a drill: `openim-dr verify`, or schedule one.",
	status.ProofOverdue:     "Run a drill: `openim-dr verify`, or schedule it more often.",
	status.DrillFailed:      "See its report and its proof: `openim-dr show POINT`. Keep older points until a drill has passed.",
	status.StreamIncomplete: "See in the log of the run what could not be captured, and run `openim-dr doctor`.",
	status.ScheduleFailed:   "See the log of the run. What can pass by itself is tried again.",
	status.ScheduleMissed:   "See that a daemon runs, and that the run before has ended.",
	status.ScheduleUnseen:   "See that a daemon leads: it notes a schedule as soon as it does.",
	status.CopyUnreadable:   "See that its place answers and that the credentials count: `openim-dr doctor`.",
	status.CopyDamaged:      "Copy the points again: `openim-dr copy`.",
	status.CopyLacks:        "Copy the points: `openim-dr copy`, or schedule it.",
	status.CopyBehind:       "Copy the points: `openim-dr copy`, or schedule it more often.",
	status.RuleNotMet:       "Configure a copy in another place, on another kind of storage.",
	status.StoredUncounted:  "See that the credentials may list the place.",
	status.CoverageUnknown:  "See `openim-dr doctor`. Until it has looked, nobody knows which stores of the deployment are left out.",
	status.StoreUncovered:   "See `openim-dr doctor`. Cover it by a source, or by other means that you know to work.",
}
