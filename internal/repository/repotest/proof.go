package repotest

import (
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/repository"
)

// Taken is a member of a drill's set: what a point holds of a source.
func Taken(p *repository.Point, source string) repository.ProofPoint {
	s, _ := p.SourceNamed(source)
	return repository.ProofPoint{
		Source: source, Kind: s.Kind, Point: p.Point, SHA256: p.SHA256, Signer: p.Signer, Started: p.Started, Ended: p.Ended, Summary: s.Summary,
	}
}

// Proof is that of a drill of a minute which passed and left nothing out.
func Proof(began time.Time, set ...repository.ProofPoint) repository.Proof {
	return repository.Proof{
		Drill: repository.NewDrillID(began), Instance: Instance, Tool: "test", Started: began.UTC(), Ended: began.UTC().Add(time.Minute),
		Passed: true, Full: true, Set: set, Scratch: "given", RTO: repository.ProofRTO{Seconds: 60},
	}
}

// AppendProof writes a proof at every point of its set.
func (f *Fixture) AppendProof(t testing.TB, p repository.Proof) {
	t.Helper()
	var points []string
	for _, s := range p.Set {
		points = append(points, s.Point)
	}
	if err := repository.AppendProof(t.Context(), f.Store, f.Open(t), f.Signer, points, p); err != nil {
		t.Fatal(err)
	}
}
