package source

import "errors"

// ErrShrunk is why a capture is refused of a source that has lost more than it may. It
// ends a sentence that says how much.
var ErrShrunk = errors.New("is missing")
