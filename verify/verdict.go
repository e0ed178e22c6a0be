package verify

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/restore"
)

// Codes of why a drill has not passed.
const (
	failedDamaged   = repository.FailedDamaged
	failedDiffers   = repository.FailedDiffers
	failedTruth     = "truth"     // database and buckets do not agree
	failedAssertion = "assertion" // an expectation did not hold
	failedSelfTest  = "self-test" // a check of the drill's own did not bite
	failedScratch   = "scratch"   // a scratch server died, or its disk is full
	failedLease     = "lease"     // another process has taken over
	failedTime      = "time"      // it took longer than it may
	failedStopped   = "stopped"   // somebody stopped it
	failedOther     = "other"     // something else, such as a storage that does not answer
)

// fillProof enters what is known before the drill begins.
func (r *run) fillProof() {
	*r.proof = repository.Proof{
		Drill: r.ID, Instance: r.Instance, Tool: r.Tool, Started: r.began.UTC(), Scratch: r.Into, Full: !r.sampled(),
		Set: []repository.ProofPoint{}, Servers: []repository.ProofServer{}, Comparisons: []repository.ProofCompared{},
		Truth: []repository.ProofTruth{}, Assertions: []repository.ProofAssertion{}, SelfTest: []repository.ProofSelfTest{},
		RTO:   repository.ProofRTO{Parts: []repository.ProofPart{}, ObjectiveSeconds: r.RTO.Seconds()},
		RPO:   repository.ProofRPO{ObjectiveSeconds: r.RPO.Seconds()},
		Heads: heads(r.Set.listing),
	}
	for _, m := range r.Set.Members {
		captured := m.Captured()
		r.proof.Set = append(r.proof.Set, repository.ProofPoint{
			Source: m.Source, Kind: m.Kind, Point: m.Point.Point, SHA256: m.Point.SHA256, Signer: m.Point.Signer,
			Started: captured.Started, Ended: captured.Ended, Summary: captured.Summary,
		})
		age := r.began.Sub(captured.Started).Seconds()
		r.proof.RPO.Seconds = max(r.proof.RPO.Seconds, age)
		r.proof.Instance = m.Point.Instance
		if !m.Point.Complete || !captured.Complete {
			r.leaveOut("point %s is incomplete: what it lacks was not shown", m.Point.Point)
		}
	}
	for _, s := range r.Scratch {
		r.proof.Servers = append(r.proof.Servers, s.Server)
		for _, text := range s.Notes {
			r.note("%s: %s", s.Name, text)
		}
		if s.LeftOut != "" {
			r.leaveOut("%s: %s", s.Name, s.LeftOut)
		}
	}
}

// note puts into the proof, which anybody can read, what was not looked at.
func (r *run) note(format string, args ...any) {
	r.proof.Notes = append(r.proof.Notes, fmt.Sprintf(format, args...))
}

// leaveOut notes what keeps the drill from proving anything.
func (r *run) leaveOut(format string, args ...any) {
	r.proof.Full = false
	r.note(format, args...)
}

// heads is the last point of every stream.
func heads(listing *repository.Listing) []repository.ProofHead {
	heads := []repository.ProofHead{}
	for _, p := range listing.Points {
		if listing.Head(p.Instance, p.Stream) == p {
			heads = append(heads, repository.ProofHead{Instance: p.Instance, Stream: p.Stream, Seq: p.Seq, Point: p.Point, SHA256: p.SHA256})
		}
	}
	return heads
}

// takeResult enters what the restore has shown.
func (r *run) takeResult() {
	if r.result == nil {
		return
	}
	for _, s := range r.result.Sources {
		differing, items := map[string]int64{}, map[string]bool{}
		for _, item := range s.Items {
			items[item.Name] = true
		}
		for _, d := range s.Differences {
			r.outcome.Differences = append(r.outcome.Differences, Difference{s.Name, d})
			differing[itemOf(items, d.Object)]++
		}
		for _, item := range s.Items {
			r.proof.Comparisons = append(r.proof.Comparisons, repository.ProofCompared{
				Source: s.Name, Name: item.Name, Rows: item.Rows, Objects: item.Objects, Bytes: item.Bytes,
				Equal: item.Equal && differing[item.Name] == 0, Differences: differing[item.Name],
			})
		}
		if n := differing[""]; n > 0 { // of definitions, accounts
			r.proof.Comparisons = append(r.proof.Comparisons, repository.ProofCompared{Source: s.Name, Name: "other", Differences: n})
		}
	}
	for _, s := range r.result.Sources {
		for _, d := range s.Deviations {
			r.outcome.Deviations = append(r.outcome.Deviations, restore.Deviation{Source: s.Name, Deviation: d})
		}
		if n := len(s.Deviations); n > 0 {
			r.note("%s: %d deviations, which the settings or the scratch server ask for: the report lists them", s.Name, n)
		}
	}
	r.outcome.Warnings = append(r.outcome.Warnings, r.plan.Warnings...)
	r.takeTimes()
	r.takeSample()
}

// itemOf finds the compared table or bucket that a difference belongs to: the
// longest beginning of its name, up to a slash, that is one.
func itemOf(items map[string]bool, object string) string {
	for name := object; ; {
		if items[name] {
			return name
		}
		slash := strings.LastIndexByte(name, '/')
		if slash < 0 {
			return ""
		}
		name = name[:slash]
	}
}

// takeSample enters what a sample says of the whole.
func (r *run) takeSample() {
	if !r.sampled() {
		return
	}
	sample := &repository.ProofSample{Share: r.Share, Confidence: confidence}
	for _, s := range r.Scratch {
		if s.Phase != source.Files {
			continue
		}
		for _, p := range r.proof.Set {
			if p.Source == s.Name {
				sample.Of += p.Summary.Objects
			}
		}
		for _, c := range r.proof.Comparisons {
			if c.Source == s.Name {
				sample.Objects += c.Objects
			}
		}
	}
	sample.BadShare = badShare(sample.Objects)
	if !r.result.Equal {
		sample.Confidence, sample.BadShare = 0, 1 // one that was drawn may be bad: nothing follows
	}
	r.proof.Sample = sample
}

// confidence is how sure a sample is to make.
const confidence = 0.999

// badShare returns the share of bad objects of which, with our confidence, a
// random sample of n would have met at least one: 1-(1-p)^n = confidence.
func badShare(n int64) float64 {
	if n == 0 {
		return 1
	}
	return 1 - math.Pow(1-confidence, 1/float64(n))
}

// end gives the verdict.
func (r *run) end(ctx context.Context, err error) {
	p := r.proof
	p.Ended = time.Now().UTC()
	p.Failure, r.outcome.Err = r.verdict(err == nil)
	if err != nil {
		// What was found until then is as true as before, and graver.
		if p.Failure == "" {
			p.Failure = codeOf(context.Cause(ctx), err)
		}
		r.outcome.Err = errors.Join(r.outcome.Err, fmt.Errorf("drill: %w", err))
	}
	p.Passed = p.Failure == ""
	if p.Passed {
		r.outcome.Err = r.brokenKeys()
	}
	r.judgeObjectives()
}

// brokenKeys is for keys of points that are kept: that some do not open says
// nothing about what was restored, and is to be known all the same.
func (r *run) brokenKeys() error {
	if r.proof.Keys == nil || !slices.ContainsFunc(r.proof.Keys.Identities, func(i repository.ProofIdentity) bool { return i.Broken > 0 }) {
		return nil
	}
	return fault.New(fault.Corrupt, "try the keys", "what was drilled is proven, but some keys of kept points do not open").
		Hint("openim-dr check finds what is altered; another recipient's key may still open the points")
}

// codeOf says why a drill did not come to its end: cause is why its context
// ended, if it did.
func codeOf(cause, err error) string {
	switch {
	case errors.Is(err, errScratch):
		return failedScratch
	case errors.Is(cause, repository.ErrLeaseLost):
		return failedLease
	case errors.Is(cause, context.DeadlineExceeded):
		return failedTime
	case cause != nil:
		return failedStopped
	case fault.KindOf(err) == fault.Corrupt:
		return failedDamaged
	default:
		return failedOther
	}
}

// verdict finds out whether everything that was to be shown was shown, or, of a
// drill that did not come to its end, whether something was found wrong until then.
// Of several failures the gravest is named; all stand in the proof.
func (r *run) verdict(ended bool) (code string, err error) {
	p := r.proof
	silent := slices.IndexFunc(p.SelfTest, func(t repository.ProofSelfTest) bool { return !t.Found })
	untrue := slices.IndexFunc(p.Truth, func(t repository.ProofTruth) bool { return !t.Passed })
	unheld := slices.IndexFunc(p.Assertions, func(a repository.ProofAssertion) bool { return !a.Passed })
	switch {
	case silent >= 0:
		t := p.SelfTest[silent]
		return failedSelfTest, fault.New(fault.Corrupt, "drill", "its own check does not bite: %s was not found (%s)", t.Damage, t.Detail).
			Hint("trust no result of this version on this machine; report it")
	case r.result != nil && r.compared() && !r.result.Equal:
		return failedDiffers, fault.New(fault.Corrupt, "drill", "%s between what was captured and what came back", quantity.Count(int64(len(r.outcome.Differences)), "difference", "differences")).
			Hint("the point cannot be relied on: drill an older one, and take a new one now; --report lists every difference")
	case untrue >= 0:
		t := p.Truth[untrue]
		return failedTruth, fault.New(fault.Corrupt, "drill", "check %q across the stores: %d of %d are wrong, and %d are tolerated", t.Check, t.Bad, t.Checked, t.Tolerated).
			Hint("%s", adviceOn(t.Check))
	case unheld >= 0:
		a := p.Assertions[unheld]
		return failedAssertion, fault.New(fault.Corrupt, "drill", "assertion %q does not hold: %s", a.Name, a.Detail)
	case ended && len(p.SelfTest) < len(p.Set):
		return failedSelfTest, fault.New(fault.Corrupt, "drill", "its own checks could be tested on %d damages alone, of %d sources", len(p.SelfTest), len(p.Set))
	default:
		return "", nil
	}
}

// adviceOn says what to do about a failed check across the stores.
func adviceOn(check string) string {
	if check == checkContent {
		return "the objects equal what was captured, so they were damaged before the backup: look for them in older points; verify.tolerate.damaged accepts those that are known"
	}
	return "the report lists them; look in the live bucket and in older points; verify.tolerate.missing accepts those that are known"
}

// judgeObjectives holds what was measured against what was promised. A missed
// objective is no failure of the point.
func (r *run) judgeObjectives() {
	p := r.proof
	if p.RTO.ObjectiveSeconds > 0 && p.RTO.Seconds > 0 {
		met := max(p.RTO.Seconds, p.RTO.ProjectedSeconds) <= p.RTO.ObjectiveSeconds
		p.RTO.Met = &met
	}
	if p.RPO.ObjectiveSeconds > 0 && r.Set.Newest { // an older point says nothing about it
		age := p.RPO.Seconds
		if p.RPO.DataSeconds != nil {
			age += *p.RPO.DataSeconds // the data were that old when they were captured
		}
		met := age <= p.RPO.ObjectiveSeconds
		p.RPO.Met = &met
	}
}
