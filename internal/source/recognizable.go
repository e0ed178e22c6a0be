package source

import "context"

// Recognizable is an optional ability of a source: it says which server stands at
// its address.
type Recognizable interface {
	// ServerID returns a text by which the server is known again at whatever
	// address. Where two texts differ the servers do; the same text may stand for
	// two servers where the protocol knows no better. It is empty where the server
	// does not tell it to this account. It may stand in a plain file.
	ServerID(ctx context.Context) (string, error)
}
