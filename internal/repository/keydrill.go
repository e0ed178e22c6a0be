package repository

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// mostNamed bounds how many points a warning names.
const mostNamed = 3

// KeyDrill tries each identity on the run keys of every point that is kept: the
// day on which a key is needed is a bad one to learn that it opens nothing. Each
// wrap is fetched once. What does not open is no error; it is counted, and said
// in the warnings.
//
// A wrap is missed where the manifests say that the key was wrapped for the
// identity as an operator's. They do not say everything: a new operator gets wraps
// later, the drill has them of the newest points only, and earlier versions have
// said nothing. So one is missed, too, where nobody has any, where the identity has
// one of the point's own key but not of its packs', and where it has one of points
// of the instance both before and after.
func KeyDrill(ctx context.Context, repo *Repository, listing *Listing, identities []seal.Identity) (*ProofKeys, []string, error) {
	d := keyDrill{repo: repo, keys: map[string]*drilledKey{}, owed: owedWraps{}}
	left, err := repo.departures(ctx, time.Time{})
	if err != nil {
		return nil, nil, err
	}
	for _, id := range identities {
		if !slices.ContainsFunc(d.identities, func(other seal.Identity) bool { return fingerprint(other) == fingerprint(id) }) {
			d.identities = append(d.identities, id)
		}
	}
	for _, p := range listing.Points {
		// What nobody trusted has signed may name any key: it is no point.
		if p.Forgotten == nil && p.Shredded == nil && p.Untrusted == nil && p.Quarantined == "" {
			d.points = append(d.points, p)
			d.owed.judge(p.Manifest, left)
		}
	}
	if err := d.tryAll(ctx); err != nil {
		return nil, nil, err
	}
	result, warnings := d.judge()
	return result, warnings, nil
}

func fingerprint(id seal.Identity) string { return id.Recipient().Fingerprint() }

// keyDrill is one drill of the keys.
type keyDrill struct {
	repo       *Repository
	identities []seal.Identity
	points     []*Point // that are kept, oldest first
	keys       map[string]*drilledKey
	owed       owedWraps
}

// drilledKey is what was found of one run key.
type drilledKey struct {
	// holders says by fingerprint whether the wrap is whole. Those of others are
	// taken to be.
	holders map[string]bool
}

func (d *keyDrill) tryAll(ctx context.Context) error {
	for _, p := range d.points {
		for _, key := range p.runKeys() {
			d.keys[key] = new(drilledKey)
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelReads)
	for name, key := range d.keys {
		group.Go(func() (err error) {
			key.holders, err = d.try(ctx, name)
			return err
		})
	}
	return group.Wait()
}

// try opens a run key with every identity that has a wrap of it.
func (d *keyDrill) try(ctx context.Context, key string) (map[string]bool, error) {
	found, err := d.repo.Wraps(ctx, key)
	if err != nil {
		return nil, err
	}
	holders := map[string]bool{}
	for holder := range found {
		holders[holder] = true
	}
	for _, id := range d.identities {
		if !holders[fingerprint(id)] {
			continue
		}
		if holders[fingerprint(id)], err = d.opens(ctx, key, id); err != nil {
			return nil, err
		}
	}
	return holders, nil
}

// opens reports whether the wrap of a key for an identity is whole.
func (d *keyDrill) opens(ctx context.Context, key string, id seal.Identity) (bool, error) {
	wrapped, err := storage.Get(ctx, d.repo.store, wrapPath(key, fingerprint(id)), maxWrap)
	if errors.Is(err, storage.ErrNotExist) || errors.Is(err, storage.ErrChecksum) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read wrapped key: %w", err)
	}
	opened, err := seal.Unwrap(wrapped, []seal.Identity{id})
	return err == nil && opened.Recipient().KeyID() == key, nil
}

// judge counts what was found.
func (d *keyDrill) judge() (*ProofKeys, []string) {
	result := &ProofKeys{Identities: []ProofIdentity{}, Points: int64(len(d.points)), OneKey: []string{}}
	var warnings []string
	for _, id := range d.identities {
		judged, broken := d.judgeIdentity(fingerprint(id))
		result.Identities = append(result.Identities, judged)
		if len(broken) > 0 {
			warnings = append(warnings, fmt.Sprintf("key %s does not open %d of %d points that it should: %s", judged.Fingerprint, len(broken), len(d.points), someOf(broken)))
		}
		if judged.Opens == 0 && len(d.points) > 0 {
			warnings = append(warnings, fmt.Sprintf("key %s opens none of %s", judged.Fingerprint, quantity.Count(len(d.points), "point", "points")))
		}
	}
	var none []string
	for _, p := range d.points {
		switch d.openers(p) {
		case 0:
			none = append(none, p.Point)
		case 1:
			result.OneKey = append(result.OneKey, p.Point)
		}
	}
	if len(none) > 0 {
		warnings = append(warnings, fmt.Sprintf("no key opens %d of %d points: %s", len(none), len(d.points), someOf(none)))
	}
	if n := len(result.OneKey); n > 0 {
		warnings = append(warnings, fmt.Sprintf("a single key opens %d of %d points, and they are lost with it: %s", n, len(d.points), someOf(result.OneKey)))
	}
	return result, warnings
}

// judgeIdentity says what one key opens, and lists the points that it fails.
func (d *keyDrill) judgeIdentity(holder string) (ProofIdentity, []string) {
	judged := ProofIdentity{Fingerprint: holder}
	first, last := d.span(holder)
	var broken []string
	for i, p := range d.points {
		opens, lost, owed := true, false, false
		for _, key := range p.runKeys() {
			whole := d.keys[key].holders[holder]
			opens = opens && whole
			lost = lost || len(d.keys[key].holders) == 0
			owed = owed || !whole && d.owed[key][holder]
		}
		from, begun := first[p.Instance]
		between := begun && from < i && i < last[p.Instance]
		switch {
		case opens:
			judged.Opens++
		case lost, owed, between, d.has(holder, p.Keys.Point):
			judged.Broken++
			broken = append(broken, p.Point)
		default:
			judged.NotFor++
		}
	}
	return judged, broken
}

// has reports whether there is a wrap of a key for somebody, whole or not.
func (d *keyDrill) has(holder, key string) bool {
	_, has := d.keys[key].holders[holder]
	return has
}

// span returns, by instance, the first and the last point that has a wrap of its
// own key for somebody.
func (d *keyDrill) span(holder string) (first, last map[string]int) {
	first, last = map[string]int{}, map[string]int{}
	for i, p := range d.points {
		if !d.has(holder, p.Keys.Point) {
			continue
		}
		if _, known := first[p.Instance]; !known {
			first[p.Instance] = i
		}
		last[p.Instance] = i
	}
	return first, last
}

// openers counts the keys that open a point, as far as they were tried.
func (d *keyDrill) openers(p *Point) int {
	var openers map[string]bool
	for _, key := range p.runKeys() {
		whole := maps.Clone(d.keys[key].holders)
		maps.DeleteFunc(whole, func(holder string, opens bool) bool { return !opens || (openers != nil && !openers[holder]) })
		openers = whole
	}
	return len(openers)
}

// someOf names the first few of many points.
func someOf(points []string) string {
	text := strings.Join(points[:min(mostNamed, len(points))], ", ")
	if more := len(points) - mostNamed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
