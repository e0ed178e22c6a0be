package repository

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// RollbackStream holds points of what restores have overwritten. They are no
// defaults, and count for nothing but being restored by name; each is held from
// the beginning for RollbackTime, unless somebody decides otherwise.
const (
	RollbackStream = "rollback"
	RollbackTime   = 14 * 24 * time.Hour
)

// maxSkew is how far a point's own times may be from the storage's clock.
const maxSkew = time.Hour

// parallelReads bounds the small files that are read at once.
const parallelReads = 16

// Point is a manifest with what the repository says about it.
type Point struct {
	*Manifest
	SHA256 string // of the manifest's bytes; the next point of the stream names it
	Signer string // public key of the trusted signer, or empty
	// Created is when the storage's own clock saw the manifest; zero where it does
	// not tell.
	Created time.Time
	// OwnBytes are those of the point's own files, as stored; what it shares with
	// others is not in it.
	OwnBytes int64
	// Untrusted says why no trusted signature counts; nil where one does.
	Untrusted error
	// Quarantined says why the point's times cannot be believed; empty where
	// they can. Such a point occupies no slot and is no default.
	Quarantined string
	Held        *State // the hold in force, if any
	Forgotten   *State // the forget in force, if any
	Shredded    *State // who destroyed its keys, if anybody
	// Proofs are those that count, the newest drill first; of very many only the
	// newest, and those by which the point is proven. NoProofs says why other files
	// in their place are none.
	Proofs   []*BriefProof
	NoProofs []error
	// Proven says when a complete point was shown to come back: of every source
	// there is a drill that passed, left nothing out, and restored the source from
	// this very point. The drills may be different ones. Of each source the newest
	// such drill is taken, and of these the end of the oldest. Nil where a source
	// has none, or where a later drill has found it damaged or different. A drill
	// that fails for another reason takes nothing away from it.
	Proven *time.Time
}

// Eligible reports whether the point may be a default, a base of another or
// the occupant of a retention slot.
func (p *Point) Eligible() bool {
	return p.Complete && p.Untrusted == nil && p.Quarantined == "" && p.Forgotten == nil && p.Shredded == nil && p.Stream != RollbackStream
}

// Dir returns the directory of a source's own files, below the repository.
func (p *Point) Dir(source string) string { return pointDir(p.Point) + FileName(source) }

// Time returns when the point's run began.
func (p *Point) Time() time.Time { return p.Started }

var (
	// errNoPoint: the run has not committed.
	errNoPoint = errors.New("there is no such point")
	// errFenced: the run was given up, and cannot commit any more.
	errFenced = errors.New("the run was given up")
)

// Point reads one point, whatever its state, and without its proofs. A damaged manifest is a
// fault.Corrupt error.
func (r *Repository) Point(ctx context.Context, id string) (*Point, error) {
	return r.load(ctx, id, true, false)
}

// ManifestFiles are the paths of a point's manifest and of its signature.
func ManifestFiles(point string) (manifest, signature string) {
	return manifestPath(point), manifestPath(point) + signatureSuffix
}

// load reads one point with its signature and, where there may be any, its states
// and its proofs.
func (r *Repository) load(ctx context.Context, id string, states, proofs bool) (*Point, error) {
	info, err := r.store.Stat(ctx, manifestPath(id))
	if errors.Is(err, storage.ErrNotExist) {
		return nil, errNoPoint
	}
	if err != nil {
		return nil, fmt.Errorf("look at point %s: %w", id, err)
	}
	return r.loadSeen(ctx, id, &info, states, proofs)
}

// loadSeen is load of a manifest that a listing has had, or nil.
func (r *Repository) loadSeen(ctx context.Context, id string, info *storage.Info, states, proofs bool) (*Point, error) {
	if info == nil {
		return r.load(ctx, id, states, proofs)
	}
	var parser manifestParser
	signed, err := r.readManifest(ctx, id, *info, &parser)
	if errors.Is(err, storage.ErrNotExist) {
		return nil, errNoPoint // swept since the listing
	}
	if err != nil {
		return nil, fmt.Errorf("look at point %s: %w", id, err)
	}
	manifest, err := parser.parse(signed.data)
	if manifest, err = r.acceptManifest(id, manifest, err); err != nil {
		return nil, err
	}
	point := &Point{
		Manifest: manifest, SHA256: seal.SumOf(signed.data).SHA256, Signer: signed.signer, Untrusted: signed.untrusted,
		Created: info.Created, Quarantined: r.quarantine(manifest, info.Created),
	}
	for _, f := range manifest.Files {
		point.OwnBytes += f.Size
	}
	if point.holdRollback(r.now()); states {
		if err := r.loadStates(ctx, point); err != nil {
			return nil, err
		}
	}
	if proofs {
		return point, r.loadProofs(ctx, point)
	}
	return point, nil
}

// startedTime is the time that a manifest gives itself.
func startedTime(data []byte) time.Time { return new(manifestParser).started(data) }

// manifestParser parses a manifest once, though its time must be known before its
// signature can be judged: large ones by the thousand take longer to parse than all
// else that is done with them.
type manifestParser struct {
	parsed []byte
	m      *Manifest
	err    error
}

func (p *manifestParser) parse(data []byte) (*Manifest, error) {
	if p.m == nil || !bytes.Equal(p.parsed, data) {
		p.parsed, p.m = data, new(Manifest)
		p.err = unmarshalManifest(data, p.m)
	}
	return p.m, p.err
}

func (p *manifestParser) started(data []byte) time.Time {
	m, err := p.parse(data)
	if err != nil {
		return time.Time{}
	}
	return m.Started
}

// fence reports whether it is no manifest, but says that there will be none.
func (p *manifestParser) fence(data []byte) bool {
	m, err := p.parse(data)
	return err == nil && m.Kind == kindAbandoned
}

// parseManifest parses and accepts.
func (r *Repository) parseManifest(id string, data []byte) (*Manifest, error) {
	m, err := new(manifestParser).parse(data)
	return r.acceptManifest(id, m, err)
}

// acceptManifest accepts only the manifest of that very point in this very
// repository: a signed one that was moved here from elsewhere is not it. err is what
// parsing it has come to.
func (r *Repository) acceptManifest(id string, m *Manifest, err error) (*Manifest, error) {
	if err != nil {
		return nil, fault.New(fault.Corrupt, "read manifest of point "+id, "it is not the JSON it must be: %w", err)
	}
	switch {
	case m.Kind == kindAbandoned:
		return nil, errFenced
	case m.Kind != kindManifest || m.Path != manifestPath(id) || m.Point != id:
		return nil, fault.New(fault.Corrupt, "read manifest of point "+id, "it says that it is the %s %q of point %q", m.Kind, m.Path, m.Point)
	case !slices.Contains(r.record.Homes, m.Repository):
		return nil, fault.New(fault.Corrupt, "read manifest of point "+id, "it belongs to repository %q, not to %q", m.Repository, r.record.Repository)
	case m.Format != Format:
		return nil, fault.New(fault.Usage, "read manifest of point "+id, "its format is %d, and this version of openim-dr reads format %d", m.Format, Format).
			Hint("use a version of openim-dr that knows this format")
	}
	if _, err := PointTime(id); err != nil {
		return nil, fault.New(fault.Corrupt, "read manifest of point "+id, "%w", err)
	}
	if err := requireFeatures(m.Requires); err != nil {
		return nil, err
	}
	return m, nil
}

// quarantine holds the point's own times against the storage's clock. A copy
// is made at another time than the point, so only points at home are judged.
func (r *Repository) quarantine(m *Manifest, created time.Time) string {
	if m.Repository != r.record.Repository || created.IsZero() {
		return ""
	}
	began, err := PointTime(m.Point)
	skew := created.Sub(m.Ended).Abs()
	switch {
	case err != nil || began.Sub(m.Started).Abs() > time.Second:
		return "its id is not the time at which its run began"
	case skew > maxSkew:
		return fmt.Sprintf("it says that it ended at %s, but the storage saw it at %s",
			m.Ended.UTC().Format(time.RFC3339), created.UTC().Format(time.RFC3339))
	default:
		return ""
	}
}

// whyNot says why a point is not eligible.
func (p *Point) whyNot() string {
	switch {
	case p.Untrusted != nil:
		return "is " + p.Untrusted.Error()
	case p.Quarantined != "":
		return "is quarantined: " + p.Quarantined
	case p.Shredded != nil:
		return "is shredded"
	case p.Forgotten != nil:
		return "is forgotten"
	case p.Stream == RollbackStream:
		return "is a rollback point"
	default:
		return "is incomplete"
	}
}

// counts returns what the point holds of a source, if it is a default for that.
func (p *Point) counts(instance, source string) (Source, bool) {
	s, ok := p.SourceNamed(source)
	return s, ok && s.Complete && p.Instance == instance && p.Eligible()
}

// Base returns the last element of a stored path.
func (f File) Base() string { return path.Base(f.Path) }
