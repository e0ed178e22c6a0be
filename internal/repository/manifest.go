package repository

import (
	"encoding/json"
	"time"

	"github.com/openim-dr/openim-dr/internal/seal"
)

// Format is the version of the repository format that this package writes.
const Format = 1

// Kinds of plain files that stand alone. Each signed one states its kind inside
// the signed bytes, so that none passes for another.
const (
	kindRepository = "repository"
	kindManifest   = "manifest"
	kindAbandoned  = "abandoned"
	kindState      = "state"
	kindStart      = "start"
	kindCheckpoint = "checkpoint"
	kindLease      = "lease"
	kindRestore    = "restore"
	kindProof      = "proof"
	kindLog        = "log"
	kindSchedule   = "schedule"
	kindNotices    = "notices"
)

// Header opens every signed file: what it is, and where it belongs, so that a
// signed file cannot be moved to another place or another repository.
type Header struct {
	Kind       string `json:"kind"`
	Format     int    `json:"format"`
	Repository string `json:"repository"`
	Path       string `json:"path"`
}

// Manifest describes one point. Whoever reads it needs no key.
type Manifest struct {
	Header
	// Requires names features without which the point must not be read.
	Requires []string  `json:"requires"`
	Point    string    `json:"point"`
	Instance string    `json:"instance"`
	Tool     string    `json:"tool"`
	Stream   string    `json:"stream"`
	Seq      int64     `json:"seq"`
	Previous *Link     `json:"previous" jsonschema:"nullable"`
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended"`
	Complete bool      `json:"complete"`
	Missing  []Count   `json:"missing,omitempty"`
	Sources  []Source  `json:"sources"`
	Keys     Keys      `json:"keys"`
	Files    []File    `json:"files"`
	// Stored is the number of bytes that this run added to the repository,
	// shared packs and segments included.
	Stored int64 `json:"stored"`
}

// Link names a point and what its manifest was.
type Link struct {
	Point  string `json:"point"`
	SHA256 string `json:"sha256"`
}

// Count is a code with a number, for plain files: no names, no values.
type Count struct {
	Source string `json:"source"`
	Code   string `json:"code"`
	Count  int64  `json:"count"`
}

// Source is what one source gave to a point.
type Source struct {
	Name          string          `json:"name"`
	Kind          string          `json:"kind"`
	FormatVersion int             `json:"formatVersion"`
	Started       time.Time       `json:"started"`
	Ended         time.Time       `json:"ended"`
	Complete      bool            `json:"complete"`
	Summary       Summary         `json:"summary"`
	Stored        int64           `json:"stored"`
	Warnings      []Count         `json:"warnings,omitempty"`
	Captured      json.RawMessage `json:"captured"`
}

// Summary counts what was moved. Bytes are of plaintext.
type Summary struct {
	Rows      int64 `json:"rows,omitempty"`
	Objects   int64 `json:"objects,omitempty"`
	Documents int64 `json:"documents,omitempty"`
	Bytes     int64 `json:"bytes"`
}

// Keys names the run keys that a point needs.
type Keys struct {
	Point string   `json:"point"`
	Packs []string `json:"packs"`
	// Wrapped says for whom they are wrapped. Of keys that an earlier version has
	// made it does not tell.
	Wrapped []Wrapped `json:"wrapped,omitempty"`
}

// runKeys lists the run keys that the point needs.
func (m *Manifest) runKeys() []string { return append([]string{m.Keys.Point}, m.Keys.Packs...) }

// File is one file of a point, as stored.
type File struct {
	Path   string `json:"path"` // below the repository
	Size   int64  `json:"size"`
	CRC32C uint32 `json:"crc32c"`
	SHA256 string `json:"sha256"`
}

func fileOf(path string, s seal.Sums) File { return File{path, s.Size, s.CRC32C, s.SHA256} }

func (f File) sums() seal.Sums { return seal.Sums{Size: f.Size, CRC32C: f.CRC32C, SHA256: f.SHA256} }

// SourceNamed returns the part of one source.
func (m *Manifest) SourceNamed(name string) (Source, bool) {
	for _, s := range m.Sources {
		if s.Name == name {
			return s, true
		}
	}
	return Source{}, false
}

// Fence stands in a manifest's place and says that the run was given up: a
// writer that was suspended and wakes can no longer commit (invariant 8).
type Fence struct {
	Kind   string `json:"kind"`
	Format int    `json:"format"`
	// Abandoned is the JSON of an Abandoned record, to the byte as signed.
	Abandoned string `json:"abandoned"`
	// Signature is the content of its .minisig file.
	Signature string `json:"signature"`
}

// judge says whether a fence is what one before that run must be: its record is of this
// place, and signed by who may give runs up.
func (f *Fence) judge(run, repository string, trust seal.Trust) Damage {
	var said Abandoned
	here := Header{kindAbandoned, Format, repository, manifestPath(run)}
	if json.Unmarshal([]byte(f.Abandoned), &said) != nil || said.Header != here || said.Point != run {
		return Altered
	}
	for _, role := range []seal.Role{seal.RoleWriter, seal.RolePruner} {
		if _, err := trust.Verify(role, []byte(f.Abandoned), []byte(f.Signature), said.Time); err == nil {
			return Intact
		}
	}
	return Forged
}

// Abandoned is what a fence says.
type Abandoned struct {
	Header
	Point string    `json:"point"`
	Time  time.Time `json:"time"`
	By    string    `json:"by"`
}

// Start is created before anything else of a run. It pins the points that the
// run builds on, and the run on whose checkpoint.
type Start struct {
	Kind     string   `json:"kind"`
	Format   int      `json:"format"`
	Point    string   `json:"point"`
	Instance string   `json:"instance"`
	Stream   string   `json:"stream"`
	Bases    []string `json:"bases"`
	// Continues names a run that did not end, whose last checkpoint this one
	// goes on from.
	Continues string    `json:"continues,omitempty"`
	Time      time.Time `json:"time"`
	Host      string    `json:"host"`
	Tool      string    `json:"tool"`
}
