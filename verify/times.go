package verify

import (
	"time"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

// Parts of a restore, in a proof. A restore plan estimates by "load", "objects"
// and "compare".
const (
	partFetch   = "fetch"
	partDecrypt = "decrypt"
	partLoad    = "load"
	partObjects = "objects"
	partCompare = "compare"
)

// takeTimes enters how long the restore took, and what of it. Fetching and
// decrypting run beside the loading of all sources.
func (r *run) takeTimes() {
	rto := &r.proof.RTO
	rto.Seconds = r.result.RTOSeconds
	rto.Parts = append(rto.Parts, busy("", partFetch, r.meter.Fetched()), busy("", partDecrypt, r.meter.Decrypted()))
	var load, compare, wholeLoad, wholeCompare float64 // of the slowest source
	for i, s := range r.result.Sources {
		part, share := partLoad, 1.0
		if r.plan.Phase(i) == source.Files {
			part = partObjects
			if r.sampled() {
				share = r.Share
			}
		}
		rto.Parts = append(rto.Parts,
			repository.ProofPart{Source: s.Name, Part: part, Seconds: s.LoadSeconds},
			repository.ProofPart{Source: s.Name, Part: partCompare, Seconds: s.CompareSeconds})
		if index := r.watches[s.Name].Busy(source.PartIndex); index > 0 {
			rto.Parts = append(rto.Parts, busy(s.Name, source.PartIndex, index))
		}
		load, compare = max(load, s.LoadSeconds), max(compare, s.CompareSeconds)
		wholeLoad, wholeCompare = max(wholeLoad, s.LoadSeconds/share), max(wholeCompare, s.CompareSeconds/share)
	}
	// Sources run side by side: the slowest one of each step counts.
	rto.ProjectedSeconds = rto.Seconds - load - compare + wholeLoad + wholeCompare
}

func busy(source, part string, d time.Duration) repository.ProofPart {
	return repository.ProofPart{Source: source, Part: part, Seconds: d.Seconds(), Busy: true}
}
