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
)

// Codes of why a drill has not passed.
const (
	failedDamaged   = "damaged"   // stored bytes are not right
	failedDiffers   = "differs"   // what came back is not what was captured
	failedTruth     = "truth"     // database and buckets do not agree
	failedAssertion = "assertion" // an expectation did not hold
	failedSelfTest  = "self-test" // a check of the drill's own did not bite
	failedKeys      = "keys"      // a wrap does not open
	failedScratch   = "scratch"   // a scratch server died, or its disk is full
	failedLease     = "lease"     // another process has taken over
	failedTime      = "time"      // it took longer than it may
	failedStopped   = "stopped"   // somebody stopped it
	failedOther     = "other"     // something else, such as a storage that does not answer
)

// fillProof enters what is known before the drill begins.
func (r *run) fillProof() {
	*r.proof = repository.Proof{
		Drill: r.ID, Instance: r.Instance, Tool: r.Tool, Started: r.began.UTC(), Scratch: r.Into, Full: r.Share == 0 || r.Share >= 1,
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
	}
	for _, s := range r.Scratch {
		r.proof.Servers = append(r.proof.Servers, s.Server)
	}
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
		differing := map[string]int64{}
		for _, d := range s.Differences {
			r.outcome.Differences = append(r.outcome.Differences, Difference{s.Name, d})
			differing[itemOf(s.Items, d.Object)]++
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
	r.outcome.Deviations = append(r.outcome.Deviations, r.plan.Deviations...)
	r.outcome.Warnings = append(r.outcome.Warnings, r.plan.Warnings...)
	r.takeTimes()
	r.takeSample()
}

// itemOf finds the compared table or bucket that a difference belongs to.
func itemOf(items []source.Compared, object string) string {
	best := ""
	for _, item := range items {
		if object == item.Name || strings.HasPrefix(object, item.Name+"/") && len(item.Name) > len(best) {
			best = item.Name
		}
	}
	return best
}

// takeSample enters what a sample says of the whole.
func (r *run) takeSample() {
	if r.proof.Full {
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
	switch {
	case err != nil:
		p.Failure = codeOf(context.Cause(ctx), err)
		r.outcome.Err = fmt.Errorf("drill: %w", err)
	default:
		p.Failure, r.outcome.Err = r.verdict()
	}
	p.Passed = p.Failure == ""
	r.judgeObjectives()
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

// verdict finds out whether everything that was to be shown was shown. Of
// several failures the gravest is named; all stand in the proof.
func (r *run) verdict() (code string, err error) {
	p := r.proof
	silent := slices.IndexFunc(p.SelfTest, func(t repository.ProofSelfTest) bool { return !t.Found })
	untrue := slices.IndexFunc(p.Truth, func(t repository.ProofTruth) bool { return !t.Passed })
	unheld := slices.IndexFunc(p.Assertions, func(a repository.ProofAssertion) bool { return !a.Passed })
	switch {
	case silent >= 0:
		t := p.SelfTest[silent]
		return failedSelfTest, fault.New(fault.Corrupt, "drill", "its own check does not bite: %s was not found (%s)", t.Damage, t.Detail).
			Hint("trust no result of this version on this machine; report it")
	case len(p.SelfTest) == 0:
		return failedSelfTest, fault.New(fault.Corrupt, "drill", "none of its own checks could be tested")
	case !r.result.Equal:
		return failedDiffers, fault.New(fault.Corrupt, "drill", "%s between what was captured and what came back", quantity.Count(len(r.outcome.Differences), "difference", "differences")).
			Hint("the point cannot be relied on: drill an older one, and take a new one now; --report lists every difference")
	case untrue >= 0:
		t := p.Truth[untrue]
		return failedTruth, fault.New(fault.Corrupt, "drill", "check %q across the stores: %d of %d are wrong, and %d are tolerated", t.Check, t.Bad, t.Checked, t.Tolerated).
			Hint("%s", adviceOn(t.Check))
	case unheld >= 0:
		a := p.Assertions[unheld]
		return failedAssertion, fault.New(fault.Corrupt, "drill", "assertion %q does not hold: %s", a.Name, a.Detail)
	case p.Keys != nil && slices.ContainsFunc(p.Keys.Identities, func(i repository.ProofIdentity) bool { return i.Broken > 0 }):
		return failedKeys, fault.New(fault.Corrupt, "drill", "some keys of kept points do not open").
			Hint("openim-dr check finds what is altered; another recipient's key may still open the points")
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
			age = max(age, *p.RPO.DataSeconds)
		}
		met := age <= p.RPO.ObjectiveSeconds
		p.RPO.Met = &met
	}
}
