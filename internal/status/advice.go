package status

// Advice is what to do about a reason of the code, in sentences, with commands between
// backquotes; empty where there is none.
func (c Code) Advice() string { return advice[c] }

var advice = map[Code]string{
	ManifestDamaged:  "Look with `openim-dr check` which points are concerned, and take a new point. A copy may hold the manifest.",
	ManifestLater:    "Update this daemon to the version that has taken them.",
	PointUntrusted:   "Find out who has written them. Where it was right, add the signer to repository.trustedSigners.",
	PointQuarantined: "Set the clocks right, and take a new point.",
	SourceLost:       "Take a point now: `openim-dr backup`. Until then the source cannot be restored.",
	RPOBreached:      "See why its last run has failed or was missed, and take a point: `openim-dr backup`.",
	RPOAtRisk:        "Schedule it more often, or take a point before: `openim-dr backup`.",
	RTOBreached:      "See in the report of the drill where the time went. Give the restore more workers, or promise less.",
	RTOUnknown:       "Run a drill of every source: `openim-dr verify`.",
	ProofMissing:     "Run a drill: `openim-dr verify`, or schedule one.",
	ProofOverdue:     "Run a drill: `openim-dr verify`, or schedule it more often.",
	DrillFailed:      "See its report and its proof: `openim-dr show POINT`. Keep older points until a drill has passed.",
	StreamIncomplete: "See in the log of the run what could not be captured, and run `openim-dr doctor`.",
	ScheduleFailed:   "See the log of the run. What can pass by itself is tried again.",
	ScheduleMissed:   "See that a daemon runs, and that the run before has ended.",
	ScheduleUnseen:   "See that a daemon leads: it notes a schedule as soon as it does.",
	CopyUnreadable:   "See that its place answers and that the credentials count: `openim-dr doctor`.",
	CopyDamaged:      "Copy the points again: `openim-dr copy`.",
	CopyLacks:        "Copy the points: `openim-dr copy`, or schedule it.",
	CopyBehind:       "Copy the points: `openim-dr copy`, or schedule it more often.",
	RuleNotMet:       "Configure a copy in another place, on another kind of storage.",
	StoredUncounted:  "See that the credentials may list the place.",
	ClocksApart:      "Set the clocks of this machine and of the one that takes points. Until then no age can be relied on.",
	CoverageUnknown:  "See `openim-dr doctor`. Until it has looked, nobody knows which stores of the deployment are left out.",
	StoreUncovered:   "See `openim-dr doctor`. Cover it by a source, or by other means that you know to work.",

	DaemonRepository:    "See that the repository answers, and what elects the daemon: `openim-dr doctor`. Nothing is run by this daemon until then.",
	DaemonConfiguration: "Mend the configuration: `openim-dr config check`. Until then the one before counts.",
	DaemonHTTP:          "See that the token is there where the daemon runs: `openim-dr doctor`. Until then nobody is let in.",
	DaemonSchedule:      "See that the repository can be read and written: `openim-dr doctor`. A run that is not noted is done again.",
}
