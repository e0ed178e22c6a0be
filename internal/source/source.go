// Package source is the contract between the stages and what they back up. A
// source (a MySQL server, the buckets of one S3 endpoint, a Kubernetes
// cluster) is captured into a point, restored from one, and compared with
// what the point recorded; everything else about it is its own affair.
//
// A new kind of source is one package that offers these three, and one line in
// the command's table of kinds.
package source

import (
	"context"
	"io"
	"slices"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
)

// Phase orders the sources of a run.
type Phase int

// Phases in the order of capture. Databases come before files, so that every
// object that a database refers to is in the same point: an object is written
// before the row that names it.
const (
	Databases Phase = iota
	Files
	Configuration
)

// Capturer takes the state of one source into a point.
type Capturer interface {
	// Capture writes everything that the source holds into draft. It returns
	// nil only if every byte was acknowledged by the storage and every stream
	// of the source ended cleanly (invariant 2); after an error the whole run
	// fails. What could not be had but is tolerated by configuration is
	// recorded with draft.Missing, which makes the point incomplete.
	Capture(ctx context.Context, draft *repository.SourceDraft, show progress.Reporter) error
}

// Restorer brings a captured source back. Restore is called only with a plan
// that the same Restorer made.
type Restorer interface {
	// Plan looks at the point and at the target and changes neither.
	Plan(ctx context.Context, from *repository.SourceReader, want Selection) (*Plan, error)
	// Restore carries the plan out. A target listed as occupied in the plan is
	// overwritten: the stage has refused before, unless the operator named it
	// a second time (invariant 5).
	Restore(ctx context.Context, from *repository.SourceReader, plan *Plan, show progress.Reporter) (repository.Summary, error)
	// Compare reads the whole target again and holds it against the point
	// (invariant 3). Differences are a result, not an error.
	Compare(ctx context.Context, from *repository.SourceReader, plan *Plan, show progress.Reporter) (*Comparison, error)
}

// Source is both directions of one configured source.
type Source interface {
	Capturer
	Restorer
}

// Doctor is an optional ability of a source: it examines itself.
type Doctor interface {
	// Examine reports what was looked at, good and bad. It changes nothing.
	Examine(ctx context.Context) []Finding
}

// Finisher is an optional ability of a source: it removes from a target what a
// restore has kept there in order to be resumed. It is called when the
// comparison has ended, and may be called again.
type Finisher interface {
	Finish(ctx context.Context, from *repository.SourceReader, plan *Plan) error
}

// Locator is an optional ability of a source whose parts are not files of their
// own: it says which files hold what Lost.Names lead to; none where the point
// does not hold it.
type Locator interface {
	Locate(ctx context.Context, from *repository.SourceReader, names []string) ([]repository.File, error)
}

// Chooser is an optional ability of a source: it says which of its own files of a
// point a selection needs, so that damage elsewhere is not in the way. It looks at
// the manifest alone.
type Chooser interface {
	Needs(from *repository.SourceReader, want Selection) ([]repository.File, error)
}

// Extractor is an optional ability of a source: it delivers one object of a point
// without a target. What w has got is right only if there is no error.
type Extractor interface {
	Extract(ctx context.Context, from *repository.SourceReader, object string, w io.Writer) error
}

// Selection says what of a source is wanted. The zero Selection wants all.
type Selection struct {
	Include []string // patterns below the source: "schema.table", "bucket/prefix", "namespace/Kind/name"
	Exclude []string // the same; exclusion wins
	Objects []string // "bucket/key": exactly these, and what Include names; of buckets alone
	// Rename gives a schema, bucket or namespace another name at the target, and
	// a single table of MySQL ("schema.table") or object of a cluster
	// ("namespace/Kind/name") one beside the others.
	Rename map[string]string
	// MissingOnly adds to buckets what they lack, and changes nothing that is
	// there; DeleteSurplus deletes from those that are overwritten what the point
	// does not hold. They mean nothing to other kinds.
	MissingOnly, DeleteSurplus bool
	// Versions brings the older versions of objects back, too, into buckets that
	// hold nothing. It means nothing to other kinds.
	Versions bool
	// Volumes makes claims of the snapshots of their volumes that a point refers to.
	// It means nothing to other kinds.
	Volumes bool
	Attempt Attempt `json:"-"`
	// Sample, where there is one, is the part of the objects that is restored and
	// compared. It means nothing to other kinds.
	Sample *Sample `json:"-"`
	// Witness, where there is one, sees the content of objects as they are compared.
	Witness Witness `json:"-"`
	// Stopwatch, where there is one, is told how long parts of the work take.
	Stopwatch *Stopwatch `json:"-"`
	// Damage, where there is one, lets a restore go on without what is damaged.
	Damage *Damage `json:"-"`
}

// Attempt is which restore a plan is made for. The zero Attempt is one that
// cannot be resumed.
type Attempt struct {
	ID string
	// Resumed says that an earlier process has begun the restore and did not end
	// it. What holds of that restore is not in the way of this one.
	Resumed bool
	// Begun are the targets that it has begun to write to, spelled as in Occupied,
	// and Agreed those of them that held something which was agreed to be lost.
	Begun, Agreed []string
	// Loaded says that all was brought back by then, and only the comparison is left.
	Loaded bool
	// Fence fails where another process goes on with the restore by now: this one
	// may have been suspended. It is asked before what cannot be taken back, and
	// now and then. It may be nil.
	Fence func(ctx context.Context) error
	// Note keeps for whoever resumes the restore that it begins to write to a
	// target. It may be nil.
	Note func(ctx context.Context, target string) error
	// Keep keeps, sealed, what whoever resumes the restore must know before this
	// process destroys it; Kept is what was kept last. Keep may be nil.
	Keep func(ctx context.Context, data []byte) error
	Kept []byte
}

// Begin is called before the first thing is written to a target, and once it was
// seen to hold nothing but what was agreed to be lost (invariant 5): what it holds
// when the restore is resumed may then be of this restore.
func (a Attempt) Begin(ctx context.Context, target string) error {
	if a.Note == nil {
		return nil
	}
	return a.Note(ctx, target)
}

// Hold asks the fence, where there is one.
func (a Attempt) Hold(ctx context.Context) error {
	if a.Fence == nil {
		return nil
	}
	return a.Fence(ctx)
}

// HasBegun reports whether an earlier process has begun to write to a target.
func (a Attempt) HasBegun(target string) bool { return a.Resumed && slices.Contains(a.Begun, target) }

// Plan is what a restore of one source would do.
type Plan struct {
	Steps    []Step     `json:"steps"`
	Occupied []Occupied `json:"occupied"`
	Warnings []string   `json:"warnings"`
	// Checks are what was looked at in the target, good and bad.
	Checks   []Check   `json:"checks"`
	Refusals []Refusal `json:"refusals"`
	// Deviations are what will not come back as it was captured, as the
	// settings of the target allow.
	Deviations []Deviation `json:"deviations"`
	// Private carries what the planning Restorer wants to find again.
	Private any `json:"-"`
}

// Step is one line of a plan, in the order of execution.
type Step struct {
	Action  string `json:"action"` // "create schema", "load tables", "upload objects", "apply"
	Target  string `json:"target"` // as in Occupied
	Rows    int64  `json:"rows,omitempty"`
	Objects int64  `json:"objects,omitempty"`
	Bytes   int64  `json:"bytes,omitempty"` // as captured, uncompressed
}

// Occupied is a target that holds data which a restore would destroy.
type Occupied struct {
	// Target is spelled mysql/HOST:PORT/SCHEMA, bucket/HOST:PORT/BUCKET or
	// kubernetes/CLUSTER/NAMESPACE; --overwrite takes exactly that.
	Target string `json:"target"`
	// Parts are what a point of just that holds, in the words of the kind.
	Parts []string `json:"-"`
	Holds string   `json:"holds"` // "41 tables (8.2 GiB)"; also says where it is only what OpenIM creates by itself
}

// Deviation is one thing that is not restored as it was captured, because the
// settings say so. It is no difference, which nothing explains, and is reported
// as faithfully: before the restore in the plan, and after it again.
type Deviation struct {
	Object string `json:"object"`
	What   string `json:"what"` // "kept", "replaced", "definer", "left out", "second password", "renamed"
	Why    string `json:"why"`
}

// Comparison is the outcome of reading a restored target again.
type Comparison struct {
	Items       []Compared   `json:"items"`
	Differences []Difference `json:"differences"`
	Deviations  []Deviation  `json:"deviations"`
}

// Equal reports whether nothing differs and something was compared at all: a
// comparison of nothing proves nothing (invariant 11).
func (c *Comparison) Equal() bool { return len(c.Items) > 0 && len(c.Differences) == 0 }

// Compared is one table, bucket or namespace that was read again.
type Compared struct {
	Name    string `json:"name"` // schema.table, bucket, namespace: as captured
	Rows    int64  `json:"rows,omitempty"`
	Objects int64  `json:"objects,omitempty"`
	Bytes   int64  `json:"bytes"`
	Equal   bool   `json:"equal"`
}

// Difference is one thing that did not come back as it was captured. Want and
// Got are counts, digests or definitions' digests, never values.
type Difference struct {
	Object string `json:"object"`
	What   string `json:"what"` // "rows", "digest", "missing", "surplus", "definition", "grants"
	Want   string `json:"want"`
	Got    string `json:"got"`
}

// Severity of a finding.
type Severity string

// Severities, from harmless to fatal.
const (
	OK      Severity = "ok"
	Info    Severity = "info" // worth knowing, and no fault
	Warning Severity = "warning"
	Error   Severity = "error"
)

// Bad reports whether something should be done.
func (s Severity) Bad() bool { return s == Warning || s == Error }

// Finding is one thing that doctor looked at.
type Finding struct {
	Check    string   `json:"check"` // stable, for scripts: "mysql.reachable"
	Severity Severity `json:"severity"`
	Evidence string   `json:"evidence"`
	Remedy   string   `json:"remedy"`
	// Store is one of the deployment that no source covers; empty where the finding is
	// about something else.
	Store string `json:"-"`
	// Unseen says that something could not be looked at, so that nothing is known of it.
	Unseen bool `json:"-"`
}
