// Package fault holds the error that ends a command: what was being done, to
// what, why it failed and what to try, with the class that decides the exit
// code. Everything below a command wraps errors the ordinary way; a fault is
// made at the place that knows what the operator can do about it.
package fault

import (
	"errors"
	"fmt"
	"strings"
)

// Kind classifies a failure by what a caller can do about it.
type Kind int

const (
	// Failed could succeed unchanged later: unreachable, timeout, full disk,
	// cancelled. It is the kind of every error that says nothing else.
	Failed Kind = iota
	// Busy means that another process holds what this one needs.
	Busy
	// Usage means that flags, configuration, credentials, rights or an
	// unsupported server stand in the way; trying again changes nothing.
	Usage
	// Refused means that safety forbids it until the operator says otherwise.
	Refused
	// Corrupt means that stored or restored bytes are not what they must be.
	Corrupt
)

// kinds holds the name used in JSON and the exit code of each kind.
var kinds = [...]struct {
	name string
	exit int
}{
	Failed:  {"failed", 1},
	Busy:    {"busy", 5},
	Usage:   {"usage", 2},
	Refused: {"refused", 4},
	Corrupt: {"corrupt", 3},
}

// String returns the name that JSON output uses.
func (k Kind) String() string { return kinds[k].name }

// ExitCode returns the process exit code of the kind.
func (k Kind) ExitCode() int { return kinds[k].exit }

// Error is a failure in the four parts that an operator needs. Doing and Why
// are required. None of the parts may hold a secret, a row's value or an
// object's content (invariant 4).
type Error struct {
	Kind   Kind
	Doing  string // verb and object, lower case: "restore point 2026…-k3vq"
	Target string // to what: "mysql openim-mysql:3306"; may be empty
	Why    string // the reason; where empty, Err's text is the reason
	Try    string // what to do now; may be empty
	Err    error  // the cause, for errors.Is and errors.As
}

// Error returns the failure on one line, without the hint.
func (e *Error) Error() string {
	parts := make([]string, 0, 3)
	switch {
	case e.Doing != "" && e.Target != "":
		parts = append(parts, e.Doing+" "+e.Target)
	case e.Doing != "" || e.Target != "":
		parts = append(parts, e.Doing+e.Target)
	}
	return strings.Join(append(parts, e.Reason()), ": ")
}

// Reason returns why it failed: Why, followed by the cause where both are set.
func (e *Error) Reason() string {
	switch {
	case e.Err == nil:
		return e.Why
	case e.Why == "":
		return e.Err.Error()
	default:
		return e.Why + ": " + e.Err.Error()
	}
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// New returns an Error of a kind whose reason is formatted as by fmt.Errorf,
// %w included. Callers set the remaining parts with On and Hint.
func New(kind Kind, doing, format string, args ...any) *Error {
	return &Error{Kind: kind, Doing: doing, Err: fmt.Errorf(format, args...)}
}

// On sets what it was done to and returns e.
func (e *Error) On(target string) *Error {
	e.Target = target
	return e
}

// Hint sets what to try and returns e.
func (e *Error) Hint(format string, args ...any) *Error {
	e.Try = fmt.Sprintf(format, args...)
	return e
}

// KindOf returns the worst kind found anywhere in the tree of err: Corrupt
// before Refused before Usage before Busy before Failed. An error without a
// kind is Failed.
func KindOf(err error) Kind {
	worst := Failed
	walk(err, func(e *Error) { worst = max(worst, e.Kind) })
	return worst
}

// Outermost returns the first Error in the tree of err, which is the one that
// tells the operator most; ok is false where there is none.
func Outermost(err error) (e *Error, ok bool) {
	ok = errors.As(err, &e)
	return e, ok
}

func walk(err error, visit func(*Error)) {
	if err == nil {
		return
	}
	if e, ok := err.(*Error); ok { //nolint:errorlint // walk visits every node itself
		visit(e)
	}
	switch x := err.(type) { //nolint:errorlint // walk visits every node itself
	case interface{ Unwrap() error }:
		walk(x.Unwrap(), visit)
	case interface{ Unwrap() []error }:
		for _, e := range x.Unwrap() {
			walk(e, visit)
		}
	}
}

// OneLine returns a text without line breaks, each stretch of white space a blank.
func OneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
