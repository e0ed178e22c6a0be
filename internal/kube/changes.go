package kube

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/kube/fields"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/seal"
)

// Change is one object that is not the same in two points.
type Change struct {
	Namespace string `json:"namespace"` // empty for what belongs to none
	Kind      string `json:"kind"`      // Kind or Kind.group
	// Name is empty where no key was at hand: then ID tells objects apart.
	Name   string     `json:"name"`
	ID     string     `json:"id"` // keyed digest of what names it
	Change ChangeKind `json:"change"`
	// Fields are what has changed from the one point to the other; none without a key.
	Fields []fields.Change `json:"fields"`
	// Manual says that it was changed by hand: it is not as the manifest of its Helm
	// release has it, or belongs to none and a hand has written it last.
	Manual bool       `json:"manual"`
	By     string     `json:"by"` // who has written it last, as managedFields call him
	At     *time.Time `json:"at"`
	// Release is the Helm release that it belongs to, and Drift what is not as that
	// release's manifest has it: from the manifest to what is there.
	Release string          `json:"release,omitempty"`
	Drift   []fields.Change `json:"drift,omitempty"`
}

// ChangeKind says what became of an object.
type ChangeKind string

// What may become of an object.
const (
	Added   ChangeKind = "added"
	Removed ChangeKind = "removed"
	Changed ChangeKind = "changed"
	// Drifted objects are as they were, and not as their release has them; Absent
	// ones are in a release's manifest and in neither point.
	Drifted ChangeKind = "drifted"
	Absent  ChangeKind = "absent"
)

// ListChanges finds what has changed from one point to another by their lists of
// objects alone. It needs no key, and names no object. It keeps 32 bytes of each
// object in memory, and what has changed.
func ListChanges(ctx context.Context, from, to *repository.SourceReader) ([]Change, error) {
	if err := requireLists(from, to); err != nil {
		return nil, err
	}
	found, err := listChanges(ctx, from, to)
	if err != nil {
		return nil, err
	}
	changes := make([]Change, 0, len(found))
	for _, c := range found {
		changes = append(changes, c)
	}
	slices.SortFunc(changes, func(a, b Change) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID))
	})
	return changes, nil
}

// requireLists fails unless the points' lists can be held against each other.
func requireLists(from, to *repository.SourceReader) error {
	const hint = "with an operator's key the objects themselves are compared: --identity FILE"
	for _, s := range []*repository.SourceReader{from, to} {
		if !s.HasObjects() {
			return fault.New(fault.Usage, "read the objects of", "it does not list them: an earlier version of openim-dr has taken it").
				On("point " + s.Point().Point).Hint(hint)
		}
	}
	var before, after Captured
	if err := errors.Join(from.Captured(&before), to.Captured(&after)); err != nil {
		return err
	}
	if before.DigestVersion != after.DigestVersion {
		return fault.New(fault.Usage, "compare the objects of", "digests of version %d and %d are not comparable", before.DigestVersion, after.DigestVersion).
			On("points " + from.Point().Point + " and " + to.Point().Point).Hint(hint)
	}
	return nil
}

// listChanges returns what has changed by the object's id.
func listChanges(ctx context.Context, from, to *repository.SourceReader) (map[seal.Digest]Change, error) {
	before := map[seal.Digest]seal.Digest{}
	err := from.Objects(ctx, func(e *repository.ObjectEntry) error {
		before[e.ID] = e.Digest
		return nil
	})
	if err != nil {
		return nil, err
	}
	found := map[seal.Digest]Change{}
	err = to.Objects(ctx, func(e *repository.ObjectEntry) error {
		was, known := before[e.ID]
		delete(before, e.ID)
		switch {
		case !known:
			found[e.ID] = changeOf(e, Added)
		case was != e.Digest:
			found[e.ID] = changeOf(e, Changed)
		}
		return nil
	})
	if err != nil || len(before) == 0 {
		return found, err
	}
	return found, from.Objects(ctx, func(e *repository.ObjectEntry) error {
		if _, gone := before[e.ID]; gone {
			found[e.ID] = removedOf(e)
		}
		return nil
	})
}

func changeOf(e *repository.ObjectEntry, kind ChangeKind) Change {
	return Change{
		Namespace: e.Namespace, Kind: e.Kind, ID: e.ID.String(), Change: kind, Fields: []fields.Change{},
		Manual: e.Drift > 0 || e.Release == "" && fields.IsHand(e.By), By: e.By, At: e.At, Release: e.Release,
	}
}

// removedOf is an object that is gone. Who has removed it nobody knows.
func removedOf(e *repository.ObjectEntry) Change {
	removed := changeOf(e, Removed)
	removed.Manual, removed.By, removed.At = false, "", nil
	return removed
}
