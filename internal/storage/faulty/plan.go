package faulty

import (
	"errors"
	"slices"
)

// Kind is what a call does.
type Kind string

// The calls that are counted. Each Read of an opened object and each Write of
// an upload is one of its own; Close and Abort are not counted, since nothing
// that fails in them may matter.
const (
	List   Kind = "list"
	Stat   Kind = "stat"
	Open   Kind = "open"
	Read   Kind = "read"
	Create Kind = "create"
	Write  Kind = "write"
	Commit Kind = "commit"
	Delete Kind = "delete"
)

// Call is one call that was made.
type Call struct {
	N    int // 1 is the first
	Kind Kind
	Name string // of the object, or the prefix of a listing
}

// Fault is what goes wrong.
type Fault string

const (
	// None injects nothing: calls are only counted.
	None Fault = ""
	// Fail returns an error and does nothing.
	Fail Fault = "fail"
	// FailAfter does it and then returns an error, as when a reply is lost. A
	// listing fails after its first object, a Read returns its bytes too.
	FailAfter Fault = "fail after"
	// Truncate drops the second half of a Write and reports all of it as
	// written, or lets a Read return half of its bytes and then io.EOF.
	Truncate Fault = "truncate"
	// Flip inverts one bit of a Write's or a Read's bytes.
	Flip Fault = "flip"
	// Hang does nothing until the context of the call, or of the Create or Open
	// before it, ends.
	Hang Fault = "hang"
)

// Applies reports whether the fault can hit a call of that kind.
func (f Fault) Applies(k Kind) bool {
	switch f {
	case Fail, FailAfter, Hang:
		return true
	case Truncate, Flip:
		return k == Write || k == Read
	default:
		return false
	}
}

// ErrInjected is the error of Fail and FailAfter where a plan names no other.
var ErrInjected = errors.New("injected fault")

// Plan says what goes wrong and when.
type Plan struct {
	Fault Fault
	// At is the number of the call that the fault hits: that one or, where the
	// fault does not apply to it (a Flip and a Stat, a Read without bytes), the
	// first later one to which it does.
	At int
	// Times is how many calls are hit, in a row as far as the fault applies to
	// them: 0 is once, a negative number is all from then on.
	Times int
	// Kinds, where set, are the only calls that are hit.
	Kinds []Kind
	// Err is returned instead of ErrInjected.
	Err error
	// Before is called ahead of each call, outside of any lock: to kill the
	// process there, to stop it, or to change the storage meanwhile.
	Before func(Call)
}

func (p Plan) err() error {
	if p.Err != nil {
		return p.Err
	}
	return ErrInjected
}

// hits reports whether the plan names the call, were it the next one.
func (p Plan) hits(c Call, done int) bool {
	times := max(p.Times, 1)
	return p.Fault.Applies(c.Kind) && c.N >= p.At &&
		(p.Times < 0 || done < times) &&
		(len(p.Kinds) == 0 || slices.Contains(p.Kinds, c.Kind))
}
