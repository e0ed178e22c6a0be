// Package progress shows how far a long step has come: bars on a terminal,
// log lines elsewhere. Stages and sources report through the two small
// interfaces; what is drawn is decided once, in the command.
package progress

// Unit is what a task counts.
type Unit int

// Units of progress.
const (
	Bytes Unit = iota
	Rows
	Objects
)

// Reporter starts tasks. It is safe for concurrent use.
type Reporter interface {
	// Task starts a step that is shown under name. A total of zero is unknown.
	Task(name string, unit Unit, total int64) Task
}

// Task is one step on its way. It is safe for concurrent use.
type Task interface {
	// Add counts n more units done.
	Add(n int64)
	// SetTotal corrects the number of units expected.
	SetTotal(total int64)
	// Done ends the task; it may be called more than once.
	Done()
}

// Discard shows nothing.
var Discard Reporter = discard{}

type discard struct{}

func (discard) Task(string, Unit, int64) Task { return discard{} }
func (discard) Add(int64)                     {}
func (discard) SetTotal(int64)                {}
func (discard) Done()                         {}
