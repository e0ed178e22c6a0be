package runbook

import (
	"slices"
	"time"
)

// Facts are what a page is made of.
type Facts struct {
	Tool       string // that writes the page
	Written    time.Time
	Point      Point
	Repository Repository
	Openers    []Opener
	Needs      Needs
	Parts      []Part
	// Partial says that the point holds more than the parts restore.
	Partial bool
	// Before and After say what has to be done around a restore.
	Before, After []string
}

// Point is what the page says of the recovery point.
type Point struct {
	ID, Instance, Stream string
	Started, Ended       time.Time
	Complete             bool
	Key                  string // id of the point key
	Signer               string // public key of the trusted signer, or empty
	ManifestSHA256       string
	// Doubts are reasons not to use the point, Notes what its manifest warns of
	// or what the point lacks.
	Doubts, Notes []string
}

// Repository is where the point lies.
type Repository struct {
	ID  string
	URL string // gs://BUCKET/PREFIX, or the path of a directory
	// GCS is the address of the bucket's objects over https; empty for a directory.
	GCS string
}

// Opener is a recipient for whom keys of the point are wrapped.
type Opener struct {
	Fingerprint string
	Use         string // what is known of it, or empty
	Keys, Of    int    // how many of the keys that the page needs it opens
}

// Needs is what has to be fetched.
type Needs struct {
	Own, Keys, Index, Packs Amount
}

// Source is what a kind of source is told about its part of a point.
type Source struct {
	Name     string
	Dir      string   // of its files, below the repository
	Prefix   string   // of its variables in the page
	Captured []byte   // JSON of the manifest
	Files    []string // paths of its own files, below the repository
	// Rename returns the name at the target.
	Rename func(name string) string
}

// Has reports whether a file of that path is one of the source's.
func (s Source) Has(path string) bool { return slices.Contains(s.Files, path) }

// Part is what one source adds to a page.
type Part struct {
	Source, Kind string
	Dir          string // of its files, below the repository
	Content      string // what was captured, in a few words
	Target       string // where the page restores it to, as far as that is known
	Tools        []Tool
	Variables    []Variable
	// Lists are the lists of buckets, below the repository, that lead to
	// segments and packs.
	Lists    []string
	Sections []Section
}

// Unknown is the part of a source of which this version does not know how it is
// restored by hand.
func Unknown(s Source, kind string) *Part {
	return &Part{Source: s.Name, Kind: kind, Dir: s.Dir, Content: "unknown", Sections: []Section{{
		Title: "Source " + s.Name + ": " + kind,
		Blocks: []Block{Warning(Spans("This version of openim-dr has no commands for sources of kind ", Code(kind), ". Their files are verified; what they hold can be opened with ",
			Code("opened PATH FILE"), "."))},
	}}}
}

// Tool is a program that the page uses.
type Tool struct {
	Program string
	Package string // of Debian; empty where every Debian has it
	Note    string
}

// Variable stands in the block at the top of the page.
type Variable struct {
	Name, Value string
	About       string
	// Fill says that a person has to fill it in while Value is empty.
	Fill bool
	// File says that it names a file that must be there.
	File bool
	// Expression is shell code that stands in place of Value.
	Expression string
}

// Step is a block that ends with OK or STOP. It becomes Shell, with a number of
// its own, when the page is put together.
type Step struct {
	Body Shell
	Done string // what has been reached at its end
	// Optional says that the next step does not wait for this one.
	Optional bool
}

func (Step) block() {}
