package source

// Check is something that a plan has looked at before anything is touched, with
// what was seen. One that is not OK is for the operator to know before going
// on; what keeps a restore from beginning is a Refusal, or the error of Plan.
type Check struct {
	Check  string `json:"check"` // stable, for scripts: "server", "clock"
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// Codes of refusals that an operator can overrule.
const (
	Downgrade = "downgrade" // the point is of a newer server than the target
	Replica   = "replica"   // the target follows another server
	Clock     = "clock"     // the target's clock and ours are far apart
)

// Refusal is a reason not to begin. It stands until the operator overrules it
// by its code; one with a code that is none of the above cannot be overruled.
type Refusal struct {
	Code   string `json:"code"`
	Target string `json:"target"`
	Why    string `json:"why"`
	Try    string `json:"try"`
}
