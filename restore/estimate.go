package restore

import (
	"slices"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

// comparePart is what a proof calls the part of a restore that comes after
// everything is back.
const comparePart = "compare"

// pace is how long a source takes, in seconds.
type pace struct{ load, compare float64 }

// estimate says how long the restore will take: what the newest drill of each
// source has taken, scaled to what is restored now, and put together as the
// sources are brought back; what that drill took besides; and the capture of what
// is kept first. Workloads that are stopped take their own time, which no drill
// measures.
func (p *Plan) estimate() {
	paces, besides := make([]pace, len(p.parts)), 0.0
	for i, m := range p.Set {
		proof := p.listing.Measured(p.parts[i].from.Point().Instance, m.Source)
		if proof == nil || !p.scale(i, proof, &paces[i]) {
			p.Unmeasured = append(p.Unmeasured, m.Source)
			continue
		}
		besides = max(besides, p.besides(proof))
		if p.done(repository.StepLoad, m.Source) {
			paces[i].load = 0
		}
	}
	if len(p.Unmeasured) > 0 {
		return
	}
	seconds := besides + inTurn(p.phases(), paces) + p.rollbackSeconds()
	p.Estimate = &seconds
}

// phases are those of the members.
func (p *Plan) phases() []source.Phase {
	phases := make([]source.Phase, len(p.parts))
	for i, part := range p.parts {
		phases[i] = part.source.Phase
	}
	return phases
}

// inTurn is how long sources take together: all loads, then all comparisons, each
// in the order of Carry, where what runs side by side takes as long as its longest.
func inTurn(phases []source.Phase, paces []pace) float64 {
	total := 0.0
	for _, together := range order {
		var longest pace
		for i, phase := range phases {
			if slices.Contains(together, phase) {
				longest.load, longest.compare = max(longest.load, paces[i].load), max(longest.compare, paces[i].compare)
			}
		}
		total += longest.load + longest.compare
	}
	return total
}

// scale says how long a member will take, from a drill of its source; false where
// the drill has not measured it, or has measured nothing.
func (p *Plan) scale(i int, proof *repository.BriefProof, into *pace) bool {
	then, _ := proof.PointOf(p.Set[i].Source)
	times, ok := timesAsMuch(p.wanted(i), then.Summary)
	measured, found := measuredPace(proof, p.Set[i].Source)
	measured = p.undisturbed(p.Set[i].Source, measured, proof)
	into.load, into.compare = times*measured.load, times*measured.compare
	return ok && found
}

// undisturbed takes from what a source has taken in a drill what others have cost
// it that ran beside it and are not restored now. Where all were waiting for the
// same machine that is their share of the time, and where none was it is nothing:
// half of the share is taken.
func (p *Plan) undisturbed(name string, measured pace, proof *repository.BriefProof) pace {
	var beside, absent pace
	for _, m := range proof.Set {
		if m.Source == name || !p.sideBySide(proof, m.Source, name) {
			continue
		}
		other, _ := measuredPace(proof, m.Source)
		other.load, other.compare = min(other.load, measured.load), min(other.compare, measured.compare)
		beside.load, beside.compare = beside.load+other.load, beside.compare+other.compare
		if !slices.ContainsFunc(p.parts, func(part sourcePlan) bool { return part.source.Name == m.Source }) {
			absent.load, absent.compare = absent.load+other.load, absent.compare+other.compare
		}
	}
	return pace{without(measured.load, beside.load, absent.load), without(measured.compare, beside.compare, absent.compare)}
}

// without is how long something takes that has taken some seconds beside others,
// when a part of these is absent.
func without(seconds, beside, absent float64) float64 {
	if seconds == 0 {
		return 0
	}
	running := 1 + beside/seconds // on average, itself included
	return seconds - absent/running/2
}

// sideBySide reports whether two sources of a drill ran at the same time.
func (p *Plan) sideBySide(proof *repository.BriefProof, a, b string) bool {
	first, _ := proof.PointOf(a)
	second, _ := proof.PointOf(b)
	return slices.ContainsFunc(order, func(together []source.Phase) bool {
		return slices.Contains(together, p.phaseOf(first)) && slices.Contains(together, p.phaseOf(second))
	})
}

// measuredPace is what a drill has measured of one source. What was busy beside
// other parts is in their time already.
func measuredPace(proof *repository.BriefProof, source string) (measured pace, found bool) {
	for _, part := range proof.RTO.Parts {
		switch {
		case part.Source != source || part.Busy:
			continue
		case part.Part == comparePart:
			measured.compare += part.Seconds
		default:
			measured.load += part.Seconds
		}
		found = true
	}
	return measured, found
}

// besides is what a drill has taken besides its sources: looking at the point and
// at the targets.
func (p *Plan) besides(proof *repository.BriefProof) float64 {
	phases, paces := make([]source.Phase, len(proof.Set)), make([]pace, len(proof.Set))
	for i, m := range proof.Set {
		phases[i] = p.phaseOf(m)
		paces[i], _ = measuredPace(proof, m.Source)
	}
	return max(0, proof.RTO.Seconds-inTurn(phases, paces))
}

// phaseOf is the phase of a source that was drilled: its own where it is restored
// now, else that of another one of its kind. What is not known is brought back last.
func (p *Plan) phaseOf(m repository.ProofPoint) source.Phase {
	phase := source.Databases
	for _, part := range p.parts {
		if part.source.Name == m.Source {
			return part.source.Phase
		}
		if part.source.Kind == m.Kind {
			phase = part.source.Phase
		}
	}
	return phase
}

// timesAsMuch says how many times as much there is now. Bytes and pieces (rows,
// objects, documents) count alike: which of them takes the time depends on how
// small the pieces are. False where there was nothing then, and is something now.
func timesAsMuch(now, then repository.Summary) (times float64, ok bool) {
	counts, sum := 0, 0.0
	for _, of := range [][2]int64{{now.Bytes, then.Bytes}, {pieces(now), pieces(then)}} {
		if of[1] > 0 {
			counts, sum = counts+1, sum+float64(of[0])/float64(of[1])
		}
	}
	if counts == 0 {
		return 1, now == then
	}
	return sum / float64(counts), true
}

func pieces(s repository.Summary) int64 { return s.Rows + s.Objects + s.Documents }

// wanted is what of a member is restored: all that was captured, or what the steps
// say of a part.
func (p *Plan) wanted(i int) repository.Summary {
	want := p.request.Select[p.Set[i].Source]
	if len(want.Include)+len(want.Exclude)+len(want.Objects) == 0 {
		return p.Set[i].Summary
	}
	return p.planned(i, nil)
}

// planned sums up the steps of a member, or those into some targets.
func (p *Plan) planned(i int, targets []string) repository.Summary {
	var sum repository.Summary
	for _, s := range p.parts[i].plan.Steps {
		if targets == nil || slices.Contains(targets, s.Target) {
			sum.Rows, sum.Objects, sum.Bytes = sum.Rows+s.Rows, sum.Objects+s.Objects, sum.Bytes+s.Bytes
		}
	}
	return sum
}

// rollbackSeconds is how long it takes to keep what will be overwritten: what the
// newest point's capture of the source has taken, scaled to the share of it that
// is overwritten. Sources are captured one after the other.
func (p *Plan) rollbackSeconds() float64 {
	if p.request.Rollback == nil || p.done(repository.StepRollback, "") {
		return 0
	}
	total := 0.0
	for i, m := range p.Set {
		var targets []string
		for _, o := range p.lost {
			if o.Source == m.Source {
				targets = append(targets, o.Target)
			}
		}
		if len(targets) == 0 {
			continue
		}
		from := p.parts[i].from.Point()
		captured, _ := from.SourceNamed(m.Source)
		if newest := p.listing.Newest(from.Instance, m.Source); newest != nil {
			captured, _ = newest.SourceNamed(m.Source)
		}
		share := 1.0
		if m.Bytes > 0 {
			share = min(1, float64(p.planned(i, targets).Bytes)/float64(m.Bytes))
		}
		total += share * captured.Ended.Sub(captured.Started).Seconds()
	}
	return total
}
