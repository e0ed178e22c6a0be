package web

import (
	"time"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/status"
)

// Points is a page of the points that count, the newest first.
type Points struct {
	Points []status.Point `json:"points"`
	// Next is what to give as before to get the following page; null: there is none.
	Next *string `json:"next"`
	// Total counts all points. Of very many only the newest can be asked for.
	Total int `json:"total"`
}

// Runs are the last runs of schedules, the newest first.
type Runs struct {
	Runs []Run `json:"runs"`
}

// Run is how one run of a schedule ended.
type Run struct {
	Schedule string    `json:"schedule"`
	Number   int       `json:"number"`
	Due      time.Time `json:"due"`
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended"`
	Attempts int       `json:"attempts"`
	Missed   int       `json:"missed"`
	Overrun  int       `json:"overrun"`
	Result   string    `json:"result"` // ok, or the code of the failure
}

func runOf(r repository.ScheduleRun) Run {
	return Run{r.Schedule, r.Number, r.Due, r.Started, r.Ended, r.Attempts, r.Missed, r.Overrun, r.Result}
}

// Schedules are those of the configuration.
type Schedules struct {
	Schedules []Schedule `json:"schedules"`
}

// Schedule is one of them, and what became of it.
type Schedule struct {
	Schedule string    `json:"schedule"`
	Cron     string    `json:"cron"`
	Next     time.Time `json:"next"`
	Last     *Run      `json:"last"`
	// Running is null where this daemon does not run it now.
	Running *Running `json:"running"`
}

// Running is a job that runs now.
type Running struct {
	Schedule string              `json:"schedule"`
	Since    time.Time           `json:"since"`
	Tasks    []progress.Standing `json:"tasks"`
}

// Proofs are the last drills, the newest first.
type Proofs struct {
	Proofs []Drill `json:"proofs"`
}

// Drill is one drill, in short.
type Drill struct {
	Drill      string       `json:"drill"`
	Started    time.Time    `json:"started"`
	Ended      time.Time    `json:"ended"`
	Passed     bool         `json:"passed"`
	Full       bool         `json:"full"`
	Failure    string       `json:"failure,omitempty"`
	Reasons    []string     `json:"reasons"`
	Set        []DrillPoint `json:"set"`
	RTOSeconds float64      `json:"rtoSeconds"`
	RPOSeconds float64      `json:"rpoSeconds"`
}

// DrillPoint is what a source was restored from.
type DrillPoint struct {
	Source string `json:"source"`
	Point  string `json:"point"`
}

func drillOf(b *repository.BriefProof) Drill {
	d := Drill{
		Drill: b.Drill, Started: b.Started, Ended: b.Ended, Passed: b.Passed, Full: b.Full, Failure: b.Failure, Reasons: b.Reasons,
		Set: []DrillPoint{}, RTOSeconds: b.RTO.Seconds, RPOSeconds: b.RPO.Seconds,
	}
	for _, s := range b.Set {
		d.Set = append(d.Set, DrillPoint{s.Source, s.Point})
	}
	return d
}

// Objectives are what was promised, and what was measured over time, oldest first.
type Objectives struct {
	RPO RPOTrend `json:"rpo"`
	RTO RTOTrend `json:"rto"`
}

// RPOTrend is how old the newest restorable state of each source has become.
type RPOTrend struct {
	ObjectiveSeconds *float64      `json:"objectiveSeconds"`
	Sources          []SourceTrend `json:"sources"`
}

// SourceTrend is that of one source.
type SourceTrend struct {
	Source   string    `json:"source"`
	Captures []Capture `json:"captures"`
}

// RTOTrend is how long restores took in drills.
type RTOTrend struct {
	ObjectiveSeconds *float64     `json:"objectiveSeconds"`
	Drills           []DrillTimes `json:"drills"`
}

// DrillTimes are what one drill has measured.
type DrillTimes struct {
	Drill      string    `json:"drill"`
	Started    time.Time `json:"started"`
	Passed     bool      `json:"passed"`
	Full       bool      `json:"full"`
	RTOSeconds float64   `json:"rtoSeconds"`
	RPOSeconds float64   `json:"rpoSeconds"`
}

// Failure is what is answered in place of a document.
type Failure struct {
	Error FailureDetail `json:"error"`
}

// FailureDetail is that of the verbs with -o json.
type FailureDetail struct {
	Code   string `json:"code"`
	Doing  string `json:"doing"`
	Target string `json:"target"`
	Why    string `json:"why"`
	Try    string `json:"try"`
}

// StatusEvent is sent when somebody has looked how things stand.
type StatusEvent struct {
	State   string    `json:"state"` // ok, warning, critical or unknown
	Time    time.Time `json:"time"`
	Reasons int       `json:"reasons"`
}

// RunEvent is sent when a job begins or ends.
type RunEvent struct {
	Event    string    `json:"event"` // begin or end
	Schedule string    `json:"schedule"`
	Since    time.Time `json:"since"`
	Result   string    `json:"result,omitempty"` // of an end: ok, or the code of the failure
}

// ProgressEvent is sent while jobs run, as often as something has changed.
type ProgressEvent struct {
	Running []Running `json:"running"`
}
