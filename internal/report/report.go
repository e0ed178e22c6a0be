// Package report writes down one run that brought data back, for the people
// who were not there: the post-mortem, the manager, the auditor. A report is
// one JSON document, or one HTML page that needs nothing but itself.
//
// The package knows neither stages nor sources. A command fills a Report, or the
// Drill of a proof, with what is known at the end, whichever way the run ended;
// a part that is empty is not shown.
package report

import "time"

// Outcome is how a run ended.
type Outcome string

// Outcomes. Only Equal is a success of a run that was to change something.
const (
	Planned   Outcome = "planned"   // nothing was to be changed
	Equal     Outcome = "equal"     // everything was compared, and is equal
	Different Outcome = "different" // it was compared, and is not equal
	Refused   Outcome = "refused"   // it was not begun, for safety
	Stopped   Outcome = "stopped"   // somebody stopped it
	Failed    Outcome = "failed"    // it failed, so that nothing shows that it is equal
)

// Report is one run. The names in JSON are those of the result that the
// command prints, wherever both say the same.
type Report struct {
	Verb       string    `json:"verb"` // "restore"
	Restore    string    `json:"restore,omitempty"`
	Instance   string    `json:"instance"`
	Repository string    `json:"repository"`
	Target     string    `json:"target,omitempty"` // name of a configured target; empty: the sources themselves
	Tool       string    `json:"tool"`             // "openim-dr 1.2.3"
	Began      time.Time `json:"began"`
	Ended      time.Time `json:"ended"`
	Outcome    Outcome   `json:"outcome"`
	ExitCode   int       `json:"exitCode"`
	Failure    *Failure  `json:"error,omitempty"`
	// Touched says whether anything at the target was begun to be changed.
	Touched bool `json:"touched"`
	Equal   bool `json:"equal"`
	// RTOSeconds is from the word to the end of the last comparison; nil where
	// it was not reached.
	RTOSeconds      *float64     `json:"rtoSeconds"`
	EstimateSeconds *float64     `json:"estimateSeconds,omitempty"`
	Objectives      Objectives   `json:"objectives"`
	Points          []Point      `json:"points"`
	Sources         []Source     `json:"sources"`
	Steps           []Step       `json:"steps"`
	Checks          []Check      `json:"checks"`
	Warnings        []string     `json:"warnings"`
	Deviations      []Deviation  `json:"deviations"` // announced by the plan; those of the comparison are with the sources
	Refusals        []Refusal    `json:"refusals,omitempty"`
	Overwritten     []Overwrites `json:"overwritten"`
	RollbackPoint   *string      `json:"rollbackPoint"`
	Workloads       []Workload   `json:"workloads"`
}

// Failure is an error in the parts that an operator needs.
type Failure struct {
	Code   string `json:"code"`
	Doing  string `json:"doing"`
	Target string `json:"target"`
	Why    string `json:"why"`
	Try    string `json:"try"`
}

// Objectives are what was promised; nil where nothing was.
type Objectives struct {
	RPOSeconds *float64 `json:"rpoSeconds,omitempty"`
	RTOSeconds *float64 `json:"rtoSeconds,omitempty"`
}

// Point is a recovery point that was brought back. Its age is that at the
// beginning of the run: what happened since is lost.
type Point struct {
	Point      string     `json:"point"`
	Time       time.Time  `json:"time"`
	AgeSeconds float64    `json:"ageSeconds"`
	Sources    []string   `json:"sources"`
	Proven     *time.Time `json:"proven,omitempty"` // when it was last shown to come back
}

// Counts is how much of something there is.
type Counts struct {
	Rows      int64 `json:"rows,omitempty"`
	Objects   int64 `json:"objects,omitempty"`
	Documents int64 `json:"documents,omitempty"`
	Bytes     int64 `json:"bytes"`
}

// Source is what came back of one source.
type Source struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"`
	Point string `json:"point"`
	Counts
	LoadSeconds    *float64     `json:"loadSeconds"`    // nil: it was not begun
	CompareSeconds *float64     `json:"compareSeconds"` // nil: it was not begun
	Equal          *bool        `json:"equal"`          // nil: it was not compared to the end
	Items          []Compared   `json:"items"`
	Differences    []Difference `json:"differences"`
	Deviations     []Deviation  `json:"deviations"`
}

// Step is one line of the plan, with the time that it took if that was measured.
type Step struct {
	Source string `json:"source"`
	Action string `json:"action"`
	Target string `json:"target"`
	Counts
	State   string   `json:"state,omitempty"` // "done", "failed", …; empty where nobody kept it
	Seconds *float64 `json:"seconds,omitempty"`
}

// Check is something that was looked at before anything was touched.
type Check struct {
	Check  string `json:"check"`
	Source string `json:"source"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// Compared is one table, bucket or namespace that was read again.
type Compared struct {
	Name string `json:"name"`
	Counts
	Equal bool `json:"equal"`
}

// Difference is one thing that did not come back as it was captured.
type Difference struct {
	Object string `json:"object"`
	What   string `json:"what"`
	Want   string `json:"want"`
	Got    string `json:"got"`
}

// Deviation is one thing that differs because the settings ask for it.
type Deviation struct {
	Source string `json:"source,omitempty"`
	Object string `json:"object"`
	What   string `json:"what"`
	Why    string `json:"why"`
}

// Refusal is a reason why the run was not begun.
type Refusal struct {
	Code   string `json:"code"`
	Target string `json:"target"`
	Why    string `json:"why"`
	Try    string `json:"try"`
}

// Overwrites is a target whose data was given up for this run.
type Overwrites struct {
	Target string `json:"target"`
	Held   string `json:"held"`
}

// Workload is something that was stopped meanwhile. A time that is nil says
// that this was not reached.
type Workload struct {
	Namespace string     `json:"namespace"`
	Kind      string     `json:"kind"`
	Name      string     `json:"name"`
	Replicas  int64      `json:"replicas"` // before it was stopped
	Stopped   *time.Time `json:"stopped"`
	Released  *time.Time `json:"released"`
}

// DifferenceCount counts what did not come back as it was captured.
func (r *Report) DifferenceCount() int64 {
	n := 0
	for _, s := range r.Sources {
		n += len(s.Differences)
	}
	return int64(n)
}

// AllDeviations returns those of the comparison, each with its source; before
// there was one, those that the plan announced.
func (r *Report) AllDeviations() []Deviation {
	var all []Deviation
	compared := false
	for _, s := range r.Sources {
		compared = compared || s.Equal != nil
		for _, d := range s.Deviations {
			d.Source = s.Name
			all = append(all, d)
		}
	}
	if !compared {
		return r.Deviations
	}
	return all
}

// Age returns the largest age of a point: how much was lost at worst.
func (r *Report) Age() float64 {
	age := 0.0
	for _, p := range r.Points {
		age = max(age, p.AgeSeconds)
	}
	return age
}

// Total returns how much came back, of all sources together.
func (r *Report) Total() Counts {
	var sum Counts
	for _, s := range r.Sources {
		sum.Rows += s.Rows
		sum.Objects += s.Objects
		sum.Documents += s.Documents
		sum.Bytes += s.Bytes
	}
	return sum
}

// Kept compares a measured time with what was promised: "kept", "missed", or
// nothing where nothing was promised.
func Kept(measured float64, promised *float64) string {
	switch {
	case promised == nil:
		return ""
	case measured <= *promised:
		return "kept"
	default:
		return "missed"
	}
}
