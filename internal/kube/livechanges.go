package kube

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/kube/fields"
	"github.com/openim-dr/openim-dr/internal/kube/helm"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/seal"
)

// LiveChanges finds what has changed from a point to the cluster as it is now, by the
// digests of the point's list of objects and those that the objects have now. That takes
// the repository's digest key, which is opened by the key of a daemon as well as by an
// operator's, and no content of the point. Objects that are there have names; of those
// that are gone the point tells no more than their kind and namespace.
//
// The cluster is looked at as the settings say today: kinds and namespaces that they
// choose no more are not compared. By hand is what a hand has written last.
func (c *Cluster) LiveChanges(ctx context.Context, from *repository.SourceReader) ([]Change, error) {
	key, err := from.DigestKey(ctx)
	if err != nil {
		return nil, err
	}
	if err := requireListOfToday(from); err != nil {
		return nil, err
	}
	s, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	run := &liveComparison{capture: &capture{Cluster: c, session: s, digests: newDigester(key)}, before: map[seal.Digest]seal.Digest{}, found: map[seal.Digest]Change{}}
	if err := run.choose(ctx); err != nil {
		return nil, err
	}
	err = from.Objects(ctx, func(e *repository.ObjectEntry) error {
		run.before[e.ID] = e.Digest
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, part := range append([]string{clusterPart}, run.namespaces...) {
		for _, k := range run.kindsOf(part) {
			if err := run.kind(ctx, part, k); err != nil {
				return nil, err
			}
		}
	}
	if err := run.gone(ctx, from); err != nil {
		return nil, err
	}
	return slices.SortedFunc(maps.Values(run.found), func(a, b Change) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	}), nil
}

// requireListOfToday fails unless a point lists digests of the form of today.
func requireListOfToday(from *repository.SourceReader) error {
	var captured Captured
	if err := from.Captured(&captured); err != nil {
		return err
	}
	if !from.HasObjects() || captured.DigestVersion != digestVersion {
		return fault.New(fault.Usage, "compare the cluster with", "it has no list of objects with digests of today: an earlier version of openim-dr has taken it").
			On("point " + from.Point().Point).Hint("take a point, and compare with that from then on")
	}
	return nil
}

// liveComparison holds the cluster against a list of objects.
type liveComparison struct {
	*capture
	before map[seal.Digest]seal.Digest // that were not met: digest of what names an object -> of its content
	listed []listedKind
	found  map[seal.Digest]Change
}

// listedKind is a kind of which all objects of a part were met.
type listedKind struct{ namespace, kind string }

// kind compares the objects of a kind in a part; as one, since a list that the server
// loses is read again.
func (r *liveComparison) kind(ctx context.Context, part string, k kind) error {
	var whole bool
	met, found := map[seal.Digest]bool{}, map[seal.Digest]Change{}
	err := repeatable(func() (err error) {
		clear(met)
		clear(found)
		whole, err = r.each(ctx, part, k, func(u *unstructured.Unstructured) error {
			id, change, err := r.compare(part, u)
			if met[id] = true; change != nil {
				found[id] = *change
			}
			return err
		})
		return err
	})
	if err != nil {
		return err
	}
	for id := range met {
		delete(r.before, id)
	}
	maps.Copy(r.found, found)
	if whole {
		r.listed = append(r.listed, listedKind{namespaceOf(part), k.GroupKind().String()})
	}
	return nil
}

// compare says what has become of one object since the point; nil is nothing.
func (r *liveComparison) compare(part string, u *unstructured.Unstructured) (id seal.Digest, change *Change, err error) {
	k, owners := keyOf(u), fields.OwnersOf(u)
	if id, err = r.digests.id(namespaceOf(part), k); err != nil {
		return id, nil, err
	}
	strip(u)
	digest, err := r.digests.digest(u, part)
	was, known := r.before[id]
	if err != nil || known && was == digest {
		return id, nil, err
	}
	change = &Change{Namespace: namespaceOf(part), Kind: k.GroupKind.String(), Name: k.name, ID: id.String(), Change: Changed, Fields: []fields.Change{}}
	if !known {
		change.Change = Added
	}
	by, at := owners.Newest()
	change.By, change.Manual = by, fields.IsHand(by)
	if !at.IsZero() {
		at = at.UTC().Truncate(time.Second)
		change.At = &at
	}
	change.Release, _, _ = unstructured.NestedString(u.Object, "metadata", "annotations", helm.NameAnnotation)
	return id, change, nil
}

// gone adds what the point has and nobody has met, so far as everything of its kind was
// looked at.
func (r *liveComparison) gone(ctx context.Context, from *repository.SourceReader) error {
	if len(r.before) == 0 {
		return nil
	}
	return from.Objects(ctx, func(e *repository.ObjectEntry) error {
		if _, left := r.before[e.ID]; left && slices.Contains(r.listed, listedKind{e.Namespace, e.Kind}) {
			r.found[e.ID] = removedOf(e)
		}
		return nil
	})
}
