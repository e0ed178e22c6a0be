package verify

import (
	"context"
	"errors"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/repository"
)

// CheckOptions say what is checked.
type CheckOptions struct {
	// Point names the one point to check; empty: the whole repository.
	Point string
	// Share is which files are read for their content.
	Share CheckShare
	// Heads are points that streams must still lead to.
	Heads []repository.ExpectedHead
	Show  progress.Reporter
}

// Finding is one thing that a check has found.
type Finding = repository.Finding

// CheckResult is what a check has found.
type CheckResult struct {
	Points int   `json:"points"`
	Files  int64 `json:"files"` // in the listing
	Bytes  int64 `json:"bytes"`
	// Checksums says that the storage keeps a CRC32C of every file, which was
	// compared. Without it the listing tells sizes alone.
	Checksums bool      `json:"checksums"`
	Read      CheckRead `json:"read"`
	Findings  []Finding `json:"findings"`
	// Counts is how many findings there are of each kind. Of each kind the first
	// thousand are listed.
	Counts map[repository.Damage]int `json:"counts"`
	// Finished is false where something could not be looked at.
	Finished bool    `json:"finished"`
	Seconds  float64 `json:"seconds"`
}

// CheckRead is what was read for its content.
type CheckRead struct {
	Share string `json:"share"` // "none", "all", or a part: "7/30"
	Files int64  `json:"files"`
	Bytes int64  `json:"bytes"`
}

// Check looks whether everything that the points of a repository need is there
// and is what was written, as far as that can be told without a private key. It
// changes nothing. What is wrong is a fault.Corrupt beside the result.
func Check(ctx context.Context, audit *repository.Audit, o CheckOptions) (*CheckResult, error) {
	began := time.Now()
	err := o.run(ctx, audit)
	result := o.resultOf(audit, err == nil, time.Since(began))
	return result, errors.Join(err, audit.Unread(), result.verdict(audit.URL()))
}

// run goes from what everything hangs on to what nothing needs.
func (o CheckOptions) run(ctx context.Context, audit *repository.Audit) error {
	if err := o.list(ctx, audit); err != nil {
		return err
	}
	if ok, err := audit.OpenRecord(ctx); err != nil || !ok {
		return err
	}
	if err := audit.Choose(ctx, o.Point); err != nil {
		return err
	}
	if err := o.points(ctx, audit); err != nil {
		return err
	}
	if err := audit.AuditDecisions(ctx); err != nil {
		return err
	}
	if err := audit.AuditChains(ctx, o.Heads); err != nil {
		return err
	}
	if err := audit.AuditRuns(ctx); err != nil {
		return err
	}
	audit.AuditRest()
	return nil
}

func (o CheckOptions) list(ctx context.Context, audit *repository.Audit) error {
	task := o.Show.Task("list the repository", progress.Objects, 0)
	defer task.Done()
	return audit.List(ctx, task.Add)
}

// points looks at every point, and reads what is to be read.
func (o CheckOptions) points(ctx context.Context, audit *repository.Audit) error {
	points := o.Show.Task("check points", progress.Objects, 0)
	defer points.Done()
	show := repository.PointsShow{Begin: points.SetTotal, Done: points.Add, Bytes: func(int64) {}}
	if total := audit.ToRead(); total > 0 {
		read := o.Show.Task("read files", progress.Bytes, total)
		defer read.Done()
		show.Bytes = read.Add
	}
	return audit.AuditPoints(ctx, show)
}

func (o CheckOptions) resultOf(audit *repository.Audit, finished bool, took time.Duration) *CheckResult {
	r := &CheckResult{
		Points: audit.Points(), Checksums: audit.Checksums(), Read: CheckRead{Share: o.Share.String()},
		Finished: finished, Seconds: took.Seconds(),
	}
	r.Files, r.Bytes = audit.Files()
	r.Read.Files, r.Read.Bytes = audit.Read()
	r.Findings, r.Counts = audit.Findings()
	return r
}

// verdict is an error if anything is wrong. What nothing needs is not.
func (r *CheckResult) verdict(url string) error {
	var first *Finding
	for i, f := range r.Findings {
		if f.Harms() {
			first = &r.Findings[i]
			break
		}
	}
	if first == nil {
		return nil
	}
	wrong := 0
	for kind, n := range r.Counts {
		if (Finding{Kind: kind}).Harms() {
			wrong += n
		}
	}
	things := quantity.Count(wrong, "thing is wrong", "things are wrong")
	return fault.New(fault.Corrupt, "check", "%s; the first: %s %s: expected %s, got %s", things, first.Kind, first.File, first.Expected, first.Got).
		On(url).Hint("restore a point that no finding names (openim-dr check POINT looks at one); a copy of the repository may hold what is damaged here")
}
