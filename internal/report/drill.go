package report

import (
	"io"
	"time"

	"github.com/openim-dr/openim-dr/internal/repository"
)

// Drill is one drill, with what its proof may not hold: names of objects and
// accounts. Whoever fills it bounds the lists of details; the proof has the
// counts, so that the page says how many it leaves out.
type Drill struct {
	Proof      repository.Proof
	Repository string // where the proof is
	// Failure is what ended the drill before it had looked at everything.
	Failure *Failure
	// Differences, References, Deviations and Warnings are details, in the order
	// in which they are shown.
	Differences []Finding
	References  []Reference
	Deviations  []Deviation
	Warnings    []string
	// Earlier are the proofs of the same instance before this one, oldest first.
	Earlier   []repository.Proof
	Signature Signature
}

// Finding is one thing that did not come back as it was captured.
type Finding struct {
	Source string `json:"source"`
	Difference
}

// Reference is one object that is not as the database says: it is missing, of
// another size or content, or nothing refers to it.
type Reference struct {
	Check  string `json:"check"` // as in the proof's truth
	Source string `json:"source"`
	Object string `json:"object"`
	Detail string `json:"detail"`
}

// Signature says who signed the proof, and where it is.
type Signature struct {
	PublicKey string `json:"publicKey"` // as minisign writes it
	// Records are the paths of the proof below the repository, one for each point
	// of the set. There are none where it could not be written.
	Records []string `json:"records"`
}

// Seconds is how long the drill took in all.
func (d *Drill) Seconds() float64 { return d.Proof.Ended.Sub(d.Proof.Started).Seconds() }

// WriteDrill is Write for a drill.
func WriteDrill(path string, d *Drill) error {
	return write(path, func() ([]byte, error) { return document(d) }, func() ([]byte, error) { return drillHTML(d) })
}

// WriteHTML writes the drill as one page, which loads nothing.
func (d *Drill) WriteHTML(w io.Writer) error {
	page, err := drillHTML(d)
	if err != nil {
		return err
	}
	_, err = w.Write(page)
	return err
}

// drillDocument is what the command prints. Its figures are the proof's.
type drillDocument struct {
	Proof       string                      `json:"proof"` // path of the signed record; empty where there is none
	Drill       string                      `json:"drill"`
	Instance    string                      `json:"instance"`
	Repository  string                      `json:"repository"`
	Tool        string                      `json:"tool"`
	Started     time.Time                   `json:"started"`
	Ended       time.Time                   `json:"ended"`
	Seconds     float64                     `json:"seconds"`
	Passed      bool                        `json:"passed"`
	Full        bool                        `json:"full"`
	Code        string                      `json:"failure,omitempty"`
	Failure     *Failure                    `json:"error,omitempty"`
	Set         []repository.ProofPoint     `json:"set"`
	Scratch     string                      `json:"scratch"`
	Servers     []repository.ProofServer    `json:"servers"`
	Comparisons []repository.ProofCompared  `json:"comparisons"`
	Differences []Finding                   `json:"differences"`
	Sample      *repository.ProofSample     `json:"sample,omitempty"`
	Truth       []repository.ProofTruth     `json:"truth"`
	References  []Reference                 `json:"references"`
	Assertions  []repository.ProofAssertion `json:"assertions"`
	SelfTest    []repository.ProofSelfTest  `json:"selfTest"`
	Keys        *repository.ProofKeys       `json:"keys,omitempty"`
	RTO         repository.ProofRTO         `json:"rto"`
	RPO         repository.ProofRPO         `json:"rpo"`
	Deviations  []Deviation                 `json:"deviations"`
	Notes       []string                    `json:"notes"`
	Warnings    []string                    `json:"warnings"`
	Heads       []repository.ProofHead      `json:"heads"`
	Trend       []drillTrend                `json:"trend"`
	Signature   Signature                   `json:"signature"`
}

// drillTrend is an earlier drill, as far as it is compared with.
type drillTrend struct {
	Drill      string    `json:"drill"`
	Started    time.Time `json:"started"`
	Passed     bool      `json:"passed"`
	Full       bool      `json:"full"`
	RTOSeconds float64   `json:"rtoSeconds"`
	RPOSeconds float64   `json:"rpoSeconds"`
}

// MarshalJSON has a list wherever there may be one, and times in UTC.
func (d *Drill) MarshalJSON() ([]byte, error) {
	p := &d.Proof
	out := drillDocument{
		Drill: p.Drill, Instance: p.Instance, Repository: d.Repository, Tool: p.Tool,
		Started: p.Started.UTC(), Ended: p.Ended.UTC(), Seconds: d.Seconds(),
		Passed: p.Passed, Full: p.Full, Code: p.Failure, Failure: d.Failure,
		Set: list(p.Set), Scratch: p.Scratch, Servers: list(p.Servers), Comparisons: list(p.Comparisons), Differences: list(d.Differences),
		Sample: p.Sample, Truth: list(p.Truth), References: list(d.References), Assertions: list(p.Assertions), SelfTest: list(p.SelfTest),
		RTO: p.RTO, RPO: p.RPO, Deviations: list(d.Deviations), Notes: list(p.Notes), Warnings: list(d.Warnings), Heads: list(p.Heads), Trend: []drillTrend{},
		Signature: Signature{PublicKey: d.Signature.PublicKey, Records: list(d.Signature.Records)},
	}
	if len(d.Signature.Records) > 0 {
		out.Proof = d.Signature.Records[0]
	}
	if p.Keys != nil {
		out.Keys = &repository.ProofKeys{Identities: list(p.Keys.Identities), Points: p.Keys.Points, OneKey: list(p.Keys.OneKey)}
	}
	out.RTO.Parts = list(p.RTO.Parts)
	for i := range out.Set {
		out.Set[i].Started, out.Set[i].Ended = out.Set[i].Started.UTC(), out.Set[i].Ended.UTC()
	}
	for i := range d.Earlier {
		e := &d.Earlier[i]
		out.Trend = append(out.Trend, drillTrend{e.Drill, e.Started.UTC(), e.Passed, e.Full, restoreTime(e), e.RPO.Seconds})
	}
	return document(out)
}

// restoreTime is the time of a restore of the whole: measured, or projected
// where a sample was restored. It is 0 where the restore was not brought to its end.
func restoreTime(p *repository.Proof) float64 {
	if p.Sample != nil && p.RTO.ProjectedSeconds > 0 {
		return p.RTO.ProjectedSeconds
	}
	return p.RTO.Seconds
}
