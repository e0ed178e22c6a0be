package repository

import "time"

// Proof is the record of one drill: a restore set was restored into scratch
// servers and compared, and this is what came out. The same proof stands at
// every point of its set, each time signed for its place. Failures are kept
// like passes.
//
// It is plain JSON, and holds counts, codes and configured names only.
type Proof struct {
	Header
	// Drill is the id of the drill, in the form of a point's id, and is the same
	// in every copy of the proof.
	Drill    string    `json:"drill"`
	Point    string    `json:"point"` // at which this copy stands
	Instance string    `json:"instance"`
	Tool     string    `json:"tool"`
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended"`
	// Passed says that everything that was to be shown was shown. Full says that
	// nothing was sampled or left out: only a passed and full drill proves a point.
	Passed  bool         `json:"passed"`
	Full    bool         `json:"full"`
	Failure string       `json:"failure,omitempty"` // a code of why, beside what the lists below say
	Set     []ProofPoint `json:"set"`
	// Scratch is what was restored into: "docker" or "given".
	Scratch     string           `json:"scratch"`
	Servers     []ProofServer    `json:"servers"`
	Comparisons []ProofCompared  `json:"comparisons"`
	Sample      *ProofSample     `json:"sample,omitempty"`
	Truth       []ProofTruth     `json:"truth"`
	Assertions  []ProofAssertion `json:"assertions"`
	SelfTest    []ProofSelfTest  `json:"selfTest"`
	Keys        *ProofKeys       `json:"keys,omitempty"`
	RTO         ProofRTO         `json:"rto"`
	RPO         ProofRPO         `json:"rpo"`
	// Heads is the last point of every stream when the drill began, so that a cut
	// tail is noticed.
	Heads []ProofHead `json:"heads"`
	// Notes say what was left out or not looked at, in words without names of
	// objects and accounts.
	Notes []string `json:"notes,omitempty"`
}

// Codes of Failure with which a drill takes back what earlier ones have shown of
// the points that it restored.
const (
	FailedDamaged = "damaged" // stored bytes are not right
	FailedDiffers = "differs" // what came back is not what was captured
)

// ProofPoint is what one source was restored from.
type ProofPoint struct {
	Source  string    `json:"source"`
	Kind    string    `json:"kind"`
	Point   string    `json:"point"`
	SHA256  string    `json:"sha256"` // of the point's manifest
	Signer  string    `json:"signer"` // whose signature counted
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`
	Summary Summary   `json:"summary"` // as captured
}

// ProofServer is a scratch server. No address of it outlives the drill.
type ProofServer struct {
	Source       string  `json:"source"`
	Version      string  `json:"version"`
	Image        string  `json:"image,omitempty"`
	StartSeconds float64 `json:"startSeconds"`
}

// ProofCompared is what was read again of one table, bucket or namespace, or of
// what a server has besides (accounts).
type ProofCompared struct {
	Source      string `json:"source"`
	Name        string `json:"name"`
	Rows        int64  `json:"rows,omitempty"`
	Objects     int64  `json:"objects,omitempty"`
	Documents   int64  `json:"documents,omitempty"`
	Bytes       int64  `json:"bytes"`
	Equal       bool   `json:"equal"`
	Differences int64  `json:"differences"`
}

// ProofSample says which part of the objects was restored, and what follows.
type ProofSample struct {
	Share   float64 `json:"share"`
	Objects int64   `json:"objects"` // that were drawn
	Of      int64   `json:"of"`
	// With Confidence fewer than BadShare of all objects are bad, if none of
	// those that were drawn is.
	Confidence float64 `json:"confidence"`
	BadShare   float64 `json:"badShare"`
}

// ProofTruth is one check across the stores of the set: what a database refers
// to, held against the bucket. Bad is counted against what is tolerated.
type ProofTruth struct {
	Check     string `json:"check"` // "missing", "size", "content", "orphan"
	Source    string `json:"source"`
	Checked   int64  `json:"checked"`
	Bad       int64  `json:"bad"`
	Tolerated int64  `json:"tolerated"` // negative: any number, it is only counted
	Passed    bool   `json:"passed"`
	// OneIn says that of so many one was looked at, drawn by chance; 0: all were.
	OneIn int64 `json:"oneIn,omitempty"`
}

// ProofAssertion is an expectation of the configuration and whether it held.
type ProofAssertion struct {
	Name   string `json:"name"`
	Source string `json:"source,omitempty"`
	Passed bool   `json:"passed"`
	Detail string `json:"detail"` // counts and times, no values
}

// ProofSelfTest is one damage that the drill did to a private copy, and whether
// its own checks saw it.
type ProofSelfTest struct {
	Damage string `json:"damage"`
	Found  bool   `json:"found"`
	Detail string `json:"detail"` // how it was found, or why it could not be done
}

// ProofKeys is what the identities at hand open of all points that are kept.
type ProofKeys struct {
	Identities []ProofIdentity `json:"identities"`
	Points     int64           `json:"points"` // that were looked at
	// OneKey are the points that a single key opens.
	OneKey []string `json:"oneKey"`
}

// ProofIdentity is one key that was tried.
type ProofIdentity struct {
	Fingerprint string `json:"fingerprint"`
	Opens       int64  `json:"opens"` // points
	// NotFor counts the points that were never meant for it, Broken those whose
	// wrap for it does not open.
	NotFor int64 `json:"notFor"`
	Broken int64 `json:"broken"`
}

// ProofRTO is how long the restore took, from the word to the last comparison,
// without the start of the scratch servers. Parts of one source are one after
// the other; Busy ones are summed over what ran side by side.
type ProofRTO struct {
	Seconds float64     `json:"seconds"`
	Parts   []ProofPart `json:"parts"`
	// ProjectedSeconds is for the whole where a sample was restored.
	ProjectedSeconds float64 `json:"projectedSeconds"`
	ObjectiveSeconds float64 `json:"objectiveSeconds,omitempty"`
	Met              *bool   `json:"met,omitempty"`
}

// ProofPart is the time of one part of a restore.
type ProofPart struct {
	Source  string  `json:"source"`
	Part    string  `json:"part"` // "fetch", "decrypt", "load", "index", "objects", "compare"
	Seconds float64 `json:"seconds"`
	Busy    bool    `json:"busy,omitempty"`
}

// ProofRPO is how old what came back was when the drill began.
type ProofRPO struct {
	// Seconds is the age of the oldest point of the set.
	Seconds float64 `json:"seconds"`
	// DataSeconds is from the newest row that an assertion has found to the end of
	// the capture, of the assertion with the oldest; null without any.
	DataSeconds      *float64 `json:"dataSeconds" jsonschema:"nullable"`
	ObjectiveSeconds float64  `json:"objectiveSeconds,omitempty"`
	Met              *bool    `json:"met,omitempty"`
}

// ProofHead is the last point of a stream.
type ProofHead struct {
	Instance string `json:"instance"`
	Stream   string `json:"stream"`
	Seq      int64  `json:"seq"`
	Point    string `json:"point"`
	SHA256   string `json:"sha256"`
}
