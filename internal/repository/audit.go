package repository

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// Audit holds one listing of a repository against what the repository says of
// itself. It needs no private key and changes nothing. Its steps are called in
// the order in which they stand here; what is wrong is no error of theirs, but a
// Finding. An error is that something could not be looked at.
type Audit struct {
	store   storage.Reader
	options AuditOptions

	repo  *Repository
	inv   *inventory
	only  string // the one point that is audited, or empty
	found findings

	mu      sync.Mutex
	points  map[string]*auditedPoint // whose manifests were read, by id
	fenced  map[string]bool          // runs that were given up
	groups  map[string]*group
	owed    owedWraps
	left    departures
	logged  map[string]int  // decisions about each point of which the log speaks
	skipped map[string]bool // members of series that were never written, by path
	unread  []error         // what this version cannot judge
	swept   map[string]*Swept
	proven  []Proof
	content contentReads

	liveSince uint32 // when, by the storage's clock, the oldest live run began; 0 for none
}

// AuditOptions say what an audit is told.
type AuditOptions struct {
	Options
	// Instance is whose streams are meant where only a stream is named; empty: any.
	Instance string
	// Read chooses the files whose content is read; nil: none.
	Read func(path string) bool
}

// auditedPoint is what is kept of a point while the others are looked at.
type auditedPoint struct {
	link   chainLink
	judged bool     // its manifest is signed by somebody trusted, and was read to its end
	groups []*group // what it shares with others
}

// NewAudit makes an audit of what a storage holds.
func NewAudit(store storage.Reader, o AuditOptions) (*Audit, error) {
	if o.Trust.Empty() {
		return nil, fault.New(fault.Usage, "check", "nobody is trusted, so that no signature can count").On(store.URL()).
			Hint("give the public keys of the writer and the operator with --trust, or in trustedSigners")
	}
	return &Audit{
		store: store, options: o, inv: new(inventory), points: map[string]*auditedPoint{}, fenced: map[string]bool{},
		groups: map[string]*group{}, owed: owedWraps{}, left: departures{}, logged: map[string]int{}, skipped: map[string]bool{}, swept: map[string]*Swept{},
	}, nil
}

// List takes the one listing. Seen is told how many further files it has had.
func (a *Audit) List(ctx context.Context, seen func(files int64)) error {
	listed, err := takeInventory(ctx, a.store, seen)
	if err == nil {
		a.inv = listed
	}
	return err
}

// Files returns how many files there are and how many bytes they have.
func (a *Audit) Files() (files, bytes int64) { return int64(a.inv.len()), a.inv.bytes }

// Checksums reports whether the listing came with a checksum for every file.
func (a *Audit) Checksums() bool { return a.inv.checked }

// Points returns how many points were looked at.
func (a *Audit) Points() int { return len(a.points) }

// Read returns how many files were read for their content, and their bytes.
func (a *Audit) Read() (files, bytes int64) { return a.content.files.Load(), a.content.bytes.Load() }

// Findings returns what was found, the worst first, and how much there is of
// each kind. Of each kind no more than the first thousand are kept.
func (a *Audit) Findings() ([]Finding, map[Damage]int) { return a.found.list() }

// Unread returns why something could not be judged: it needs a later version of
// this program.
func (a *Audit) Unread() error { return errors.Join(a.unread...) }

// OpenRecord reads the record of the repository, and looks at all that belongs
// to it. Without a record that counts nothing else can be judged: ok is false,
// and the findings say why.
func (a *Audit) OpenRecord(ctx context.Context) (ok bool, err error) {
	record, _, err := readRecord(ctx, listedReader{a.store, a.inv}, a.options.Trust)
	switch {
	case err == nil:
		a.repo = &Repository{store: a.store, contents: newContents(a.store), record: record, trust: a.options.Trust, now: a.options.clock()}
		return true, a.recordFiles(ctx)
	case errors.Is(err, ErrNone):
		return false, a.noRecord()
	case fault.KindOf(err) == fault.Refused && a.recordIsDamaged(ctx):
		return false, a.eachOf(ctx, placeRecord, a.signedRecord)
	default:
		return false, err
	}
}

// noRecord tells a repository that has lost its record from what is none.
func (a *Audit) noRecord() error {
	from, to := a.inv.below(pointsDir)
	if from == to {
		return fault.New(fault.Usage, "check", "%w", ErrNone).On(a.store.URL()).
			Hint("check the address")
	}
	a.found.add(Finding{Kind: Missing, File: recordPath(1), Expected: "the record of the repository", Got: noSuchFile}, "")
	return nil
}

// recordIsDamaged tells a record that its signer would not know again from one
// that somebody signed whom this caller does not trust: that is no finding, but
// a wrong key on the command line as likely as not.
func (a *Audit) recordIsDamaged(ctx context.Context) bool {
	damaged := false
	_ = a.eachOf(ctx, placeRecord, func(ctx context.Context, path string, _ located) error { // says nothing of its own
		signed, err := readSigned(ctx, a.store, path, a.options.Trust, createdTime, seal.RoleOperator)
		if err == nil && (errors.Is(signed.untrusted, seal.ErrAltered) || errors.Is(signed.untrusted, seal.ErrNoSignature)) {
			a.mu.Lock()
			damaged = true
			a.mu.Unlock()
		}
		return nil
	})
	return damaged
}

// recordFiles looks at what belongs to no point: the log, the series of records and
// the wraps of the digest key.
func (a *Audit) recordFiles(ctx context.Context) error {
	if err := a.auditLog(ctx); err != nil {
		return err
	}
	if err := a.eachOf(ctx, placeRecord, a.signedRecord); err != nil {
		return err
	}
	wrapped := false
	err := a.eachOf(ctx, placeDigestKey, func(ctx context.Context, path string, _ located) error {
		a.mu.Lock()
		wrapped = true
		a.mu.Unlock()
		damages, err := a.wrap(ctx, path, seal.DigestKeyWrapSizes())
		for _, d := range damages {
			a.found.add(d, "")
		}
		return err
	})
	if err == nil && !wrapped {
		a.found.add(Finding{Kind: Missing, File: digestKeyPath("*"), Expected: "a wrap of the digest key", Got: noSuchFile}, "")
	}
	return err
}

// Choose restricts the audit to one point: an id, the beginning of one that fits
// no other, or one of the names that Find knows. Empty: to none.
func (a *Audit) Choose(ctx context.Context, ref string) error {
	if ref == "" {
		return nil
	}
	if ref == Latest || ref == LatestProven {
		listing, err := a.repo.List(ctx)
		if err != nil {
			return err
		}
		p, err := listing.Find(ref)
		if err == nil {
			a.only = p.Point
		}
		return err
	}
	ids := a.manifests(ref)
	if len(ids) == 1 {
		a.only = ids[0]
		return nil
	}
	listing := &Listing{}
	for _, id := range ids {
		listing.Broken = append(listing.Broken, Broken{ID: id})
	}
	_, err := listing.Find(ref) // says what is wrong with the name
	return err
}

// manifests returns the ids of the points and fences that begin so.
func (a *Audit) manifests(prefix string) []string {
	var ids []string
	_ = a.entries(func(_ int, _ string, at located) error { // fn fails never
		if at.place == placeManifest && !at.signature && strings.HasPrefix(at.owner, prefix) {
			ids = append(ids, at.owner)
		}
		return nil
	})
	return ids
}

// entries calls fn for every file of the listing.
func (a *Audit) entries(fn func(i int, path string, at located) error) error {
	return a.inv.each(0, a.inv.len(), func(i int, path string) error { return fn(i, path, locate(path)) })
}

// eachOf calls fn, several at once, for every file of a kind, signatures aside,
// that belongs to the point that is audited.
func (a *Audit) eachOf(ctx context.Context, p place, fn func(ctx context.Context, path string, at located) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelReads)
	err := a.entries(func(_ int, path string, at located) error {
		if at.place != p || at.signature || a.only != "" && at.owner != a.only && at.owner != "" && p != placeDigestKey && p != placeLog {
			return ctx.Err()
		}
		group.Go(func() error {
			if err := fn(ctx, path, at); err != nil {
				return fmt.Errorf("check %s: %w", path, err)
			}
			return nil
		})
		return ctx.Err()
	})
	return errors.Join(group.Wait(), err)
}

// URL names where the repository is.
func (a *Audit) URL() string { return a.store.URL() }
