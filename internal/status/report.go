package status

import (
	"time"

	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/repository"
)

// States, the worst of which wins.
const (
	OK       = "ok"
	Warning  = "warning"
	Critical = "critical"
)

// Report is the whole answer.
type Report struct {
	State       string      `json:"state"`
	Reasons     []Reason    `json:"reasons"` // the critical ones first
	Instance    string      `json:"instance"`
	Time        time.Time   `json:"time"`
	Streams     []Stream    `json:"streams"`
	Objectives  Objectives  `json:"objectives"`
	Proofs      []Proven    `json:"proofs"`
	Schedules   []Schedule  `json:"schedules"`
	Copies      []Copy      `json:"copies"` // the repository first
	ThreeTwoOne ThreeTwoOne `json:"threeTwoOne"`
	Cost        Cost        `json:"cost"`
	// UncoveredStores counts those of the deployment that no source covers; it is there
	// where somebody has looked: Cover.
	UncoveredStores *int `json:"uncoveredStores,omitempty"`
}

// Reason is why the state is not ok.
type Reason struct {
	Severity string `json:"severity"`
	Code     Code   `json:"code"`
	Subject  string `json:"subject"` // name of a source, stream, schedule or copy; may be empty
	Text     string `json:"text"`
}

// Code says of what sort a reason is. Code and Subject together tell whether two
// reports give the same reason, whatever the numbers in its text.
type Code string

// Codes of reasons.
const (
	ManifestDamaged  Code = "manifest.damaged"
	ManifestLater    Code = "manifest.later"
	PointUntrusted   Code = "point.untrusted"
	PointQuarantined Code = "point.quarantined"
	SourceLost       Code = "source.lost" // it has no restorable point
	RPOBreached      Code = "rpo.breached"
	RPOAtRisk        Code = "rpo.atRisk"
	RTOBreached      Code = "rto.breached"
	RTOUnknown       Code = "rto.unknown"
	ProofMissing     Code = "proof.missing"
	ProofOverdue     Code = "proof.overdue"
	DrillFailed      Code = "drill.failed"
	StreamIncomplete Code = "stream.incomplete"
	ScheduleFailed   Code = "schedule.failed"
	ScheduleMissed   Code = "schedule.missed"
	ScheduleUnseen   Code = "schedule.unseen"
	CopyUnreadable   Code = "copy.unreadable"
	CopyDamaged      Code = "copy.damaged"
	CopyLacks        Code = "copy.lacks"
	CopyBehind       Code = "copy.behind"
	RuleNotMet       Code = "rule321.notMet"
	StoredUncounted  Code = "stored.uncounted"
	StoreUncovered   Code = "store.uncovered"
	CoverageUnknown  Code = "coverage.unknown"
	ClocksApart      Code = "clocks.apart"
	// Of the daemon itself, which says the same under /readyz.
	DaemonRepository    Code = "daemon.repository"
	DaemonConfiguration Code = "daemon.configuration"
	DaemonHTTP          Code = "daemon.http"
	DaemonSchedule      Code = "daemon.schedule"
)

// Stream is the end of one stream.
type Stream struct {
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

// Objectives are what was promised, and what was measured.
type Objectives struct {
	RPO RPO `json:"rpo"`
	RTO RTO `json:"rto"`
}

// RPO is how old what can be restored is.
type RPO struct {
	ObjectiveSeconds *float64    `json:"objectiveSeconds"` // null: nothing was promised
	Sources          []RPOSource `json:"sources"`
}

// RPOSource is that of one source.
type RPOSource struct {
	Source     string     `json:"source"`
	Point      string     `json:"point,omitempty"`
	Time       *time.Time `json:"time"` // of the state that comes back; null: none does
	AgeSeconds *float64   `json:"ageSeconds"`
	Met        *bool      `json:"met"`
	// Summary counts what the point holds of the source.
	Summary *repository.Summary `json:"summary"`
}

// RTO is how long the last drill took that restored every source.
type RTO struct {
	ObjectiveSeconds *float64 `json:"objectiveSeconds"`
	MeasuredSeconds  *float64 `json:"measuredSeconds"` // null: no drill has measured it
	Drill            string   `json:"drill,omitempty"`
	Met              *bool    `json:"met"`
}

// Proven is the newest proven point of a source.
type Proven struct {
	Source     string     `json:"source"`
	Point      string     `json:"point,omitempty"`
	Proven     *time.Time `json:"proven"`     // when the drill ended; null: never
	AgeSeconds *float64   `json:"ageSeconds"` // since then
}

// Schedule is how a schedule of the configuration fares.
type Schedule struct {
	Schedule string     `json:"schedule"`
	Cron     string     `json:"cron"`
	Next     time.Time  `json:"next"` // when it is due next, by now
	Due      *time.Time `json:"due"`  // when the last run was due; null: there was none
	Ended    *time.Time `json:"ended"`
	Attempts int        `json:"attempts"`
	Result   string     `json:"result"` // of the last run: ok, or the code of the failure
}

// Copy is what one place holds.
type Copy struct {
	Name string `json:"name"`
	URL  string `json:"url"`
	// Kind is of its storage, Place where that is.
	Kind      string       `json:"kind"`
	Place     string       `json:"place"`
	Reachable bool         `json:"reachable"`
	Why       string       `json:"why,omitempty"` // it cannot be reached
	Sources   []CopySource `json:"sources"`
	// Counts says that it can be reached and holds every source.
	Counts       bool   `json:"counts"`
	StorageClass string `json:"storageClass,omitempty"`
	Files        *int64 `json:"files"`
	Stored       *int64 `json:"stored"`
	quantity.Monthly
}

// Behind is how much older the newest state is here, in seconds, of the source that is
// furthest behind.
func (c *Copy) Behind() float64 {
	longest := 0.0
	for _, s := range c.Sources {
		if s.BehindSeconds != nil {
			longest = max(longest, *s.BehindSeconds)
		}
	}
	return longest
}

// CopySource is what one place holds of a source.
type CopySource struct {
	Source string     `json:"source"`
	Point  string     `json:"point,omitempty"`
	Time   *time.Time `json:"time"` // null where there is no point
	// BehindPoints counts the points of the repository that are newer.
	BehindPoints  int      `json:"behindPoints"`
	BehindSeconds *float64 `json:"behindSeconds"` // null where there is no point to compare
}

// ThreeTwoOne is the rule, with production as one of the copies.
type ThreeTwoOne struct {
	Copies int  `json:"copies"`
	Kinds  int  `json:"kinds"`
	Places int  `json:"places"`
	Met    bool `json:"met"`
}

// Cost is what all places hold.
type Cost struct {
	Stored  *int64     `json:"stored"`  // null where it was not counted
	Counted *time.Time `json:"counted"` // when, the place that was counted first
	quantity.Monthly
}
