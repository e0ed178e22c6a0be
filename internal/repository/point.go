package repository

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/quantity"
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

// Broken is a point whose manifest cannot be read.
type Broken struct {
	ID  string
	Err error
}

// Listing is every point of a repository, oldest first.
type Listing struct {
	Points []*Point
	Broken []Broken

	fenced []string // runs that were given up
}

// List reads all manifests, signatures and states. A manifest that is damaged
// is reported in Broken and hides no other.
func (r *Repository) List(ctx context.Context) (*Listing, error) {
	ids, err := r.store.Dirs(ctx, pointsDir)
	if err != nil {
		return nil, fmt.Errorf("list points in %s: %w", r.URL(), err)
	}
	drilled, err := r.store.Dirs(ctx, proofsDir)
	if err != nil {
		return nil, fmt.Errorf("list proofs in %s: %w", r.URL(), err)
	}
	points := make([]*Point, len(ids))
	broken := make([]error, len(ids))
	fenced := make([]bool, len(ids))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelReads)
	for i, id := range ids {
		group.Go(func() error {
			_, proofs := slices.BinarySearch(drilled, id)
			point, err := r.load(ctx, id, proofs)
			switch {
			case fault.KindOf(err) == fault.Corrupt || fault.KindOf(err) == fault.Usage:
				broken[i] = err
			case errors.Is(err, errFenced):
				fenced[i] = true
			case err != nil && !errors.Is(err, errNoPoint):
				return err
			}
			points[i] = point
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	listing := new(Listing)
	for i, id := range ids {
		switch {
		case points[i] != nil:
			listing.Points = append(listing.Points, points[i])
		case broken[i] != nil:
			listing.Broken = append(listing.Broken, Broken{id, broken[i]})
		case fenced[i]:
			listing.fenced = append(listing.fenced, id)
		}
	}
	slices.SortStableFunc(listing.Points, older)
	return listing, nil
}

// older orders points by their ids, which is by seconds, and those that began
// within one second by the time that they say.
func older(a, b *Point) int {
	return cmp.Or(strings.Compare(a.Point[:len(idTime)], b.Point[:len(idTime)]), a.Started.Compare(b.Started), strings.Compare(a.Point, b.Point))
}

var (
	// errNoPoint: the run has not committed.
	errNoPoint = errors.New("there is no such point")
	// errFenced: the run was given up, and cannot commit any more.
	errFenced = errors.New("the run was given up")
)

// Point reads one point, whatever its state, and without its proofs. A damaged manifest is a
// fault.Corrupt error.
func (r *Repository) Point(ctx context.Context, id string) (*Point, error) {
	return r.load(ctx, id, false)
}

// ManifestFiles are the paths of a point's manifest and of its signature.
func ManifestFiles(point string) (manifest, signature string) {
	return manifestPath(point), manifestPath(point) + signatureSuffix
}

// load reads one point with its signature, its states and, where there are any,
// its proofs.
func (r *Repository) load(ctx context.Context, id string, proofs bool) (*Point, error) {
	info, err := r.store.Stat(ctx, manifestPath(id))
	if errors.Is(err, storage.ErrNotExist) {
		return nil, errNoPoint
	}
	if err != nil {
		return nil, fmt.Errorf("look at point %s: %w", id, err)
	}
	signed, err := readSigned(ctx, r.store, manifestPath(id), r.trust, startedTime, seal.RoleWriter)
	if err != nil {
		return nil, fmt.Errorf("look at point %s: %w", id, err)
	}
	manifest, err := r.parseManifest(id, signed.data)
	if err != nil {
		return nil, err
	}
	point := &Point{
		Manifest: manifest, SHA256: seal.SumOf(signed.data).SHA256, Signer: signed.signer, Untrusted: signed.untrusted,
		Created: info.Created, Quarantined: r.quarantine(manifest, info.Created),
	}
	if err := r.loadStates(ctx, point); err != nil {
		return nil, err
	}
	if proofs {
		return point, r.loadProofs(ctx, point)
	}
	return point, nil
}

// startedTime is the time that a manifest gives itself.
func startedTime(data []byte) time.Time {
	var m Manifest
	if json.Unmarshal(data, &m) != nil {
		return time.Time{}
	}
	return m.Started
}

// parseManifest accepts only the manifest of that very point in this very
// repository: a signed one that was moved here from elsewhere is not it.
func (r *Repository) parseManifest(id string, data []byte) (*Manifest, error) {
	var m Manifest
	if err := json.Unmarshal(data, &m); err != nil {
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
	return &m, nil
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

// Latest and LatestProven are the names of points that Find understands.
const (
	Latest       = "latest"
	LatestProven = "latest-proven"
)

// Find resolves an id, a unique prefix of one, Latest or LatestProven. A point
// that is named is found whatever its state; Latest is the newest eligible one,
// and LatestProven the newest of these that is proven.
func (l *Listing) Find(ref string) (*Point, error) {
	if ref == Latest || ref == "" {
		return l.latest()
	}
	if ref == LatestProven {
		return l.latestProven()
	}
	var ids []string
	var match *Point
	var broken error
	for _, p := range l.Points {
		if strings.HasPrefix(p.Point, ref) {
			ids, match = append(ids, p.Point), p
		}
	}
	for _, b := range l.Broken {
		if strings.HasPrefix(b.ID, ref) {
			ids, broken = append(ids, b.ID), b.Err
		}
	}
	switch {
	case len(ids) == 0:
		return nil, fault.New(fault.Usage, "choose point "+ref, "there is no such point").Hint("openim-dr list shows the points")
	case len(ids) > 1:
		return nil, fault.New(fault.Usage, "choose point "+ref, "%d points begin so, from %s to %s", len(ids), slices.Min(ids), slices.Max(ids)).
			Hint("give more of the id")
	case match == nil:
		return nil, broken
	default:
		return match, nil
	}
}

func (l *Listing) latest() (*Point, error) {
	var skipped []string
	for _, p := range slices.Backward(l.Points) {
		if p.Eligible() {
			return p, nil
		}
		skipped = append(skipped, p.Point+" "+p.whyNot())
	}
	if len(skipped) == 0 {
		return nil, fault.New(fault.Usage, "choose the latest point", "the repository holds no point").Hint("take one: openim-dr backup")
	}
	return nil, fault.New(fault.Refused, "choose the latest point", "none of %s counts; the newest: %s", quantity.Count(len(skipped), "point", "points"), skipped[0]).
		Hint("name a point of `openim-dr list --all` to use it all the same; --trust names signers, --allow says what to overlook")
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

// Newest returns the newest eligible point that holds a source completely.
func (l *Listing) Newest(instance, source string) *Point {
	return l.NewestAt(instance, source, time.Time{})
}

// NewestAt is Newest among those whose capture of the source had ended at some
// time; zero: all.
func (l *Listing) NewestAt(instance, source string, at time.Time) *Point {
	for _, p := range slices.Backward(l.Points) {
		if s, ok := p.counts(instance, source); ok && (at.IsZero() || !s.Ended.After(at)) {
			return p
		}
	}
	return nil
}

// Oldest returns the oldest eligible point that holds a source completely.
func (l *Listing) Oldest(instance, source string) *Point {
	for _, p := range l.Points {
		if _, ok := p.counts(instance, source); ok {
			return p
		}
	}
	return nil
}

// counts returns what the point holds of a source, if it is a default for that.
func (p *Point) counts(instance, source string) (Source, bool) {
	s, ok := p.SourceNamed(source)
	return s, ok && s.Complete && p.Instance == instance && p.Eligible()
}

// Head returns the last trusted point of a stream, complete or not: the one
// that the next point of the stream follows.
func (l *Listing) Head(instance, stream string) *Point {
	var head *Point
	for _, p := range l.Points {
		if p.Instance == instance && p.Stream == stream && p.Untrusted == nil && (head == nil || p.Seq > head.Seq) {
			head = p
		}
	}
	return head
}

// unfinished returns those of runs that have neither committed nor been given
// up, as far as the listing has seen.
func (l *Listing) unfinished(runs []string) []string {
	known := map[string]bool{}
	for _, p := range l.Points {
		known[p.Point] = true
	}
	for _, b := range l.Broken {
		known[b.ID] = true
	}
	for _, id := range l.fenced {
		known[id] = true
	}
	return slices.DeleteFunc(slices.Clone(runs), func(run string) bool { return known[run] })
}

// Base returns the last element of a stored path.
func (f File) Base() string { return path.Base(f.Path) }
