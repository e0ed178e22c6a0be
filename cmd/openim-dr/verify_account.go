package main

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"github.com/openim-dr/openim-dr/internal/hook"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/report"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/verify"
)

// trendLength is how many earlier drills a report shows.
const trendLength = 24

// drillAccount is what a drill tells about itself: to hooks, and in the report.
type drillAccount struct {
	*account
	path   string        // of the report; empty where none is wanted
	report *report.Drill // nil until the drill has ended
}

// openDrillAccount begins a drill. It fails where the report could not be
// written.
func (a *app) openDrillAccount(d *deployment, flags verifyFlags) (*drillAccount, error) {
	c := &drillAccount{account: a.openAccount(hook.Verify, d)}
	if flags.report == "" {
		return c, nil
	}
	if err := report.Prepare(flags.report); err != nil {
		return nil, err
	}
	path, err := filepath.Abs(flags.report) // a hook may run elsewhere
	c.path, c.facts.Report = path, path
	return c, err
}

// points takes up what is drilled.
func (c *drillAccount) points(ids []string) { c.facts.Points = ids }

// drilled takes up how the drill ended.
func (c *drillAccount) drilled(o *drillOrder, outcome *verify.Outcome) {
	c.report = o.report(outcome)
	c.facts.Equal = &outcome.Proof.Passed
	c.facts.RTOSeconds = &outcome.Proof.RTO.Seconds
}

// close writes the report, where the drill came so far that there is something
// to report, and calls the hooks.
func (c *drillAccount) close(ctx context.Context, err error) error {
	if c.path != "" && c.report != nil {
		if failed := report.WriteDrill(c.path, c.report); failed != nil {
			err = errors.Join(err, failed)
		}
	}
	return c.after(ctx, err)
}

// report makes of an outcome what people read.
func (o *drillOrder) report(outcome *verify.Outcome) *report.Drill {
	r := &report.Drill{
		Proof: outcome.Proof, Repository: o.deployment.url, Warnings: outcome.Warnings,
		Earlier:   o.earlier(),
		Signature: report.Signature{PublicKey: o.signer.PublicKey(), Records: o.records},
	}
	if outcome.Err != nil {
		f := failureOf(outcome.Err)
		r.Failure = &report.Failure{Code: f.Code, Doing: f.Doing, Target: f.Target, Why: f.Why, Try: f.Try}
	}
	for _, d := range outcome.Differences {
		r.Differences = append(r.Differences, report.Finding{Source: d.Source, Difference: report.Difference(d.Difference)})
	}
	for _, d := range outcome.Deviations {
		r.Deviations = append(r.Deviations, report.Deviation{Source: d.Source, Object: d.Object, What: d.What, Why: d.Why})
	}
	for _, t := range outcome.Proof.Truth {
		for _, object := range outcome.Told[t.Check] {
			r.References = append(r.References, report.Reference{Check: t.Check, Source: t.Source, Object: object})
		}
	}
	return r
}

// earlier returns what earlier drills have measured.
func (o *drillOrder) earlier() []repository.Proof {
	var proofs []repository.Proof
	for _, b := range o.listing.ProofsOf(o.instance(), trendLength) {
		proofs = append(proofs, repository.Proof{
			Drill: b.Drill, Started: b.Started, Ended: b.Ended, Passed: b.Passed, Full: b.Full, Sample: b.Sample, RTO: b.RTO, RPO: b.RPO,
		})
	}
	return proofs
}

// writeDrill prints what a drill has shown.
func writeDrill(p *page, outcome *verify.Outcome, records []string) {
	proof := &outcome.Proof
	rows := make([][]any, 0, len(proof.Set))
	for _, s := range proof.Set {
		rows = append(rows, []any{s.Source, s.Kind, s.Point, utc(s.Started), contents(s.Summary), size(s.Summary.Bytes)})
	}
	p.table([]column{left("source"), left("kind"), left("point"), left("time"), number("content"), number("bytes")}, rows)
	p.line("")
	writeCompared(p, outcome)
	for _, t := range proof.Truth {
		p.line("truth    %s  %s: %d of %d are wrong", verdictOf(t.Passed), strings.TrimSpace(t.Source+" "+t.Check), t.Bad, t.Checked)
	}
	for _, a := range proof.Assertions {
		p.line("assert   %s  %s: %s", verdictOf(a.Passed), a.Name, a.Detail)
	}
	for _, s := range proof.SelfTest {
		p.line("itself   %s  %s: %s", verdictOf(s.Found), s.Damage, s.Detail)
	}
	writeKeys(p, proof.Keys)
	for _, n := range proof.Notes {
		p.line("note     %s", n)
	}
	for _, w := range outcome.Warnings {
		p.line("warning  %s", w)
	}
	writeMeasures(p, proof)
	if len(records) > 0 {
		p.line("proof    %s", records[0])
	}
	p.line("")
	p.line("%s", verdict(proof))
}

// writeCompared prints what came back, and the first differences.
func writeCompared(p *page, outcome *verify.Outcome) {
	equal, bytes := 0, int64(0)
	for _, c := range outcome.Proof.Comparisons {
		if c.Equal {
			equal++
		}
		bytes += c.Bytes
	}
	p.line("compared %d of %d tables, buckets and namespaces are equal (%s)", equal, len(outcome.Proof.Comparisons), size(bytes))
	const most = 10
	for i, d := range outcome.Differences {
		if i == most {
			p.line("differs  and %d more: --report or -o json list them", len(outcome.Differences)-most)
			break
		}
		p.line("differs  %s %s: %s: want %s, got %s", d.Source, d.Object, d.What, d.Want, d.Got)
	}
}

func writeKeys(p *page, keys *repository.ProofKeys) {
	if keys == nil {
		return
	}
	for _, i := range keys.Identities {
		p.line("keys     %s  %s opens %d of %d points", verdictOf(i.Broken == 0), i.Fingerprint, i.Opens, keys.Points)
	}
}

// writeMeasures prints what was measured, and what was promised.
func writeMeasures(p *page, proof *repository.Proof) {
	rto := proof.RTO.Seconds
	if !proof.Full {
		rto = proof.RTO.ProjectedSeconds
	}
	p.line("rto      %s%s%s", seconds(rto), map[bool]string{false: " projected to everything"}[proof.Full], promised(proof.RTO.ObjectiveSeconds, proof.RTO.Met))
	p.line("rpo      %s%s", quantity.Age(proof.RPO.Seconds), promised(proof.RPO.ObjectiveSeconds, proof.RPO.Met))
	if s := proof.Sample; s != nil && s.Confidence > 0 {
		p.line("sample   %d of %d objects: %.1f %% sure that fewer than %.2g %% are bad", s.Objects, s.Of, 100*s.Confidence, 100*s.BadShare)
	}
}

func promised(objective float64, met *bool) string {
	switch {
	case met == nil:
		return ""
	case *met:
		return ", within the objective of " + quantity.Age(objective)
	default:
		return ", MISSES the objective of " + quantity.Age(objective)
	}
}

func verdictOf(good bool) string {
	if good {
		return "ok"
	}
	return "NO"
}

// verdict is the last line.
func verdict(proof *repository.Proof) string {
	switch {
	case !proof.Passed:
		return "FAILED (" + proof.Failure + ")"
	case !proof.Full:
		return "passed; a sample proves no point"
	default:
		return "passed: what it restored is proven"
	}
}
