package repository

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/quantity"
)

// BriefProof is what a listing keeps of a proof: everything but what grows with
// the number of tables. Repository.ReadProof gives the whole.
type BriefProof struct {
	Drill   string       `json:"drill"`
	Signer  string       `json:"signer"`
	Tool    string       `json:"tool"`
	Started time.Time    `json:"started"`
	Ended   time.Time    `json:"ended"`
	Passed  bool         `json:"passed"`
	Full    bool         `json:"full"`
	Failure string       `json:"failure,omitempty"`
	Reasons []string     `json:"reasons"` // why it did not pass, the first few
	Set     []ProofPoint `json:"set"`
	// Compared sums up what was read again, by source.
	Compared []BriefCompared `json:"compared"`
	Sample   *ProofSample    `json:"sample,omitempty"`
	RTO      ProofRTO        `json:"rto"`
	RPO      ProofRPO        `json:"rpo"`
}

// BriefCompared sums up the comparisons of one source.
type BriefCompared struct {
	Source  string `json:"source"`
	Items   int64  `json:"items"` // tables, buckets, namespaces
	Unequal int64  `json:"unequal"`
	Summary
}

// mostReasons bounds what is kept of why a drill failed.
const mostReasons = 10

func briefOf(p *Proof, signer string) *BriefProof {
	b := &BriefProof{
		Drill: p.Drill, Signer: signer, Tool: p.Tool, Started: p.Started, Ended: p.Ended, Passed: p.Passed, Full: p.Full, Failure: p.Failure,
		Reasons: []string{}, Set: p.Set, Compared: []BriefCompared{}, Sample: p.Sample, RTO: p.RTO, RPO: p.RPO,
	}
	reasons := p.Reasons()
	b.Reasons = append(b.Reasons, reasons[:min(mostReasons, len(reasons))]...)
	for _, c := range p.Comparisons {
		at := slices.IndexFunc(b.Compared, func(s BriefCompared) bool { return s.Source == c.Source })
		if at < 0 {
			at = len(b.Compared)
			b.Compared = append(b.Compared, BriefCompared{Source: c.Source})
		}
		b.Compared[at].add(c)
	}
	return b
}

func (b *BriefCompared) add(c ProofCompared) {
	b.Items++
	if !c.Equal {
		b.Unequal++
	}
	b.Rows, b.Objects, b.Documents, b.Bytes = b.Rows+c.Rows, b.Objects+c.Objects, b.Documents+c.Documents, b.Bytes+c.Bytes
}

// Reasons says why a drill did not pass, one line for each; none where it did.
func (p *Proof) Reasons() []string {
	if p.Passed {
		return nil
	}
	var why []string
	say := func(bad bool, format string, args ...any) {
		if bad {
			why = append(why, fmt.Sprintf(format, args...))
		}
	}
	say(p.Failure != "", "%s", p.Failure)
	for _, c := range p.Comparisons {
		say(!c.Equal, "%s %s is not equal: %s", c.Source, c.Name, quantity.Count(c.Differences, "difference", "differences"))
	}
	for _, t := range p.Truth {
		say(!t.Passed, "%s of %s: %d of %d are bad, and %d are tolerated", t.Check, t.Source, t.Bad, t.Checked, t.Tolerated)
	}
	for _, a := range p.Assertions {
		say(!a.Passed, "assertion %s does not hold: %s", a.Name, a.Detail)
	}
	for _, s := range p.SelfTest {
		say(!s.Found, "the drill did not find damage of its own: %s: %s", s.Damage, s.Detail)
	}
	if p.Keys != nil {
		for _, i := range p.Keys.Identities {
			say(i.Broken > 0, "key %s does not open %s that it should", i.Fingerprint, quantity.Count(i.Broken, "point", "points"))
		}
	}
	say(len(why) == 0 && p.RTO.Met != nil && !*p.RTO.Met, "the restore took longer than the objective allows")
	say(len(why) == 0 && p.RPO.Met != nil && !*p.RPO.Met, "what came back was older than the objective allows")
	return why
}

// Proves reports whether points are proven by it: it passed, and left nothing out.
func (b *BriefProof) Proves() bool { return b.Passed && b.Full }

// PointOf returns what the drill restored a source from.
func (b *BriefProof) PointOf(source string) (ProofPoint, bool) {
	at := slices.IndexFunc(b.Set, func(s ProofPoint) bool { return s.Source == source })
	if at < 0 {
		return ProofPoint{}, false
	}
	return b.Set[at], true
}

// restored reports whether the drill restored a source from a point.
func (b *BriefProof) restored(source, point string) bool {
	from, ok := b.PointOf(source)
	return ok && from.Point == point
}

// ProvenSource returns when a source's part of the point was last shown to come
// back, as Proven has it; nil where it never was, or where a later drill has found
// it damaged.
func (p *Point) ProvenSource(source string) *time.Time {
	var newest *time.Time
	var disproved time.Time
	for _, b := range p.Proofs {
		switch {
		case !b.restored(source, p.Point):
		case b.Proves() && (newest == nil || b.Ended.After(*newest)):
			newest = &b.Ended
		case b.disproves() && b.Ended.After(disproved):
			disproved = b.Ended
		}
	}
	if newest != nil && disproved.After(*newest) {
		return nil
	}
	return newest
}

// disproves reports whether the drill has shown the opposite: what is stored is
// damaged, or did not come back as it was.
func (b *BriefProof) disproves() bool {
	return b.Failure == FailedDamaged || b.Failure == FailedDiffers
}

// LastDrill returns the last drill that restored a source from the point, passed
// or not, or nil.
func (p *Point) LastDrill(source string) *BriefProof {
	for _, b := range p.Proofs {
		if b.restored(source, p.Point) {
			return b
		}
	}
	return nil
}

// lacks reports whether a drill proves a source's part that is not proven yet.
func (p *Point) lacks(b *BriefProof) bool {
	return b.Proves() && slices.ContainsFunc(p.Sources, func(s Source) bool {
		return b.restored(s.Name, p.Point) && p.ProvenSource(s.Name) == nil
	})
}

// proven is Proven, of the proofs so far.
func (p *Point) proven() *time.Time {
	if !p.Complete {
		return nil
	}
	var oldest *time.Time
	for _, s := range p.Sources {
		at := p.ProvenSource(s.Name)
		if at == nil {
			return nil
		}
		if oldest == nil || at.Before(*oldest) {
			oldest = at
		}
	}
	return oldest
}

func (l *Listing) latestProven() (*Point, error) {
	drilled := 0
	for _, p := range slices.Backward(l.Points) {
		if p.Eligible() && p.Proven != nil {
			return p, nil
		}
		if len(p.Proofs) > 0 {
			drilled++
		}
	}
	why := "no point has a proof yet"
	if drilled > 0 {
		why = fmt.Sprintf("of %s none counts and is proven; drilled: %d", quantity.Count(len(l.Points), "point", "points"), drilled)
	}
	return nil, fault.New(fault.Refused, "choose point "+LatestProven, "%s", why).Hint("name a point of `openim-dr list`, or use latest")
}

// NewestProven returns the newest eligible point whose part of a source is proven,
// whether or not its other sources are.
func (l *Listing) NewestProven(instance, source string) *Point {
	for _, p := range slices.Backward(l.Points) {
		if _, ok := p.counts(instance, source); ok && p.ProvenSource(source) != nil {
			return p
		}
	}
	return nil
}

// ProofsOf returns the last drills of an instance, at most n of them, oldest
// first, each once however many points it restored from. What is not in the
// listing any more has none.
func (l *Listing) ProofsOf(instance string, n int) []*BriefProof {
	byDrill := map[string]*BriefProof{}
	for _, p := range l.Points {
		if p.Instance != instance {
			continue
		}
		for _, b := range p.Proofs {
			byDrill[b.Drill] = b
		}
	}
	proofs := make([]*BriefProof, 0, len(byDrill))
	for _, b := range byDrill {
		proofs = append(proofs, b)
	}
	slices.SortFunc(proofs, func(a, b *BriefProof) int { return cmp.Compare(a.Drill, b.Drill) })
	return proofs[max(0, len(proofs)-n):]
}

// Measured returns the newest drill of an instance that has restored a source
// whole, and passed: what a restore of the source takes. Nil where there is none.
func (l *Listing) Measured(instance, source string) *BriefProof {
	var newest *BriefProof
	for _, p := range l.Points {
		if p.Instance != instance {
			continue
		}
		for _, b := range p.Proofs {
			if _, ok := b.PointOf(source); ok && b.Proves() && (newest == nil || b.Drill > newest.Drill) {
				newest = b
			}
		}
	}
	return newest
}
