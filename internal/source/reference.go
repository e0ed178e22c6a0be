package source

import "context"

// Reference is a question to a restored database about the objects that it
// refers to.
type Reference struct {
	Query  string // in the database's language
	Bucket string // "source/bucket"; empty: any bucket of the set
	// Read makes of a row of the answer what it refers to; false: nothing.
	Read func(row []*string) (Referred, bool)
}

// Referred is what one row refers to.
type Referred struct {
	Name string // by which others may refer to the object
	Key  string // of the object; empty: it is referred to by its name
	Size int64  // of the object; negative: not said
	// Contradicts says that the row does not agree with itself.
	Contradicts bool
}

// Ask puts a query to a restored database, as Querier does.
type Ask func(ctx context.Context, query string, fn func(row []*string) error) error
