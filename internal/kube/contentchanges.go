package kube

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/openim-dr/openim-dr/internal/kube/fields"
	"github.com/openim-dr/openim-dr/internal/kube/helm"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/seal"
)

// Reading says how much of a change is wanted.
type Reading struct {
	// Values shows values of ConfigMaps, of environments and of commands, and not
	// their digests alone. Those of Secrets are never shown.
	Values bool
	// Drift also lists objects that have not changed and are not as the manifests
	// of their Helm releases have them.
	Drift bool
}

// ReadChanges finds what has changed from one point to another by the objects
// themselves, which takes a key of both. Points of earlier versions will do. Of each
// point one object at a time is in memory.
func ReadChanges(ctx context.Context, from, to *repository.SourceReader, want Reading) ([]Change, error) {
	key, err := to.DigestKey(ctx)
	if err != nil {
		return nil, err
	}
	run := &changeReader{from: from, to: to, want: want, digests: newDigester(key), shown: &fields.Disclosure{Hasher: seal.NewHasher(key), Values: want.Values}, changes: []Change{}}
	if requireLists(from, to) == nil {
		if run.listed, err = listChanges(ctx, from, to); err != nil {
			return nil, err
		}
	}
	pairs, err := run.pairs()
	if err != nil {
		return nil, err
	}
	for _, pair := range pairs {
		if err := run.part(ctx, pair); err != nil {
			return nil, fmt.Errorf("compare %s: %w", describePart(pair.name), err)
		}
	}
	return run.changes, nil
}

type changeReader struct {
	from, to *repository.SourceReader
	want     Reading
	digests  *digester
	shown    *fields.Disclosure
	listed   map[seal.Digest]Change // nil: who and when are not known
	changes  []Change

	drifts map[string]Drift // of the part that is being compared, by kind and name
}

// partPair is a part of the cluster that may differ.
type partPair struct {
	name          string
	before, after *CapturedNamespace // nil: the point does not hold it
}

func (p partPair) equal() bool {
	return p.before != nil && p.after != nil && p.before.Digest == p.after.Digest && p.before.Objects == p.after.Objects
}

// counts yields the kinds of which either point holds any.
func (p partPair) counts() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, n := range []*CapturedNamespace{p.before, p.after} {
			if n == nil {
				continue
			}
			for kind := range n.Kinds {
				if !yield(kind) {
					return
				}
			}
		}
	}
}

// pairs returns the parts that have to be read.
func (r *changeReader) pairs() ([]partPair, error) {
	var before, after Captured
	if err := errors.Join(r.from.Captured(&before), r.to.Captured(&after)); err != nil {
		return nil, err
	}
	byName := map[string]*partPair{}
	pairOf := func(name string) *partPair {
		if byName[name] == nil {
			byName[name] = &partPair{name: name}
		}
		return byName[name]
	}
	for _, n := range before.parts() {
		pairOf(n.Name).before = &n
	}
	for _, n := range after.parts() {
		pairOf(n.Name).after = &n
	}
	var pairs []partPair
	for _, pair := range byName {
		drifted := r.want.Drift && pair.after != nil && pair.after.Drifted > 0
		if before.DigestVersion != after.DigestVersion || !pair.equal() || drifted {
			pairs = append(pairs, *pair)
		}
	}
	slices.SortFunc(pairs, func(a, b partPair) int { return strings.Compare(a.name, b.name) })
	return pairs, nil
}

func (r *changeReader) part(ctx context.Context, pair partPair) (err error) {
	if r.drifts, err = r.readDrifts(ctx, pair.name); err != nil {
		return err
	}
	// Kind by kind: within one, every version of openim-dr has kept the order of names.
	for _, kind := range r.kinds(pair) {
		before, after := objectsOf(ctx, r.from, pair.before, kind), objectsOf(ctx, r.to, pair.after, kind)
		if err := merge(before, after, r.object); err != nil {
			return err
		}
	}
	if r.want.Drift {
		r.absent(pair.name)
	}
	return nil
}

// kinds returns those of which something may have changed, or drifted.
func (r *changeReader) kinds(pair partPair) []string {
	all := map[string]bool{}
	if r.listed == nil {
		for kind := range pair.counts() {
			all[kind] = true
		}
	}
	for _, change := range r.listed {
		if change.Namespace == namespaceOf(pair.name) {
			all[change.Kind] = true
		}
	}
	if r.want.Drift {
		for _, drift := range r.drifts {
			all[drift.Kind] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// object compares what two points hold of one object; nil is nothing.
func (r *changeReader) object(was, is *unstructured.Unstructured) error {
	object, kind := is, Changed
	switch {
	case was == nil:
		kind = Added
	case is == nil:
		object, kind = was, Removed
	}
	k := keyOf(object)
	var differing []fields.Change
	if kind == Changed {
		fields.Compare(was.Object, is.Object, func(d fields.Difference) {
			if d.Top() != "apiVersion" { // it is how the server prefers to serve the kind
				differing = append(differing, r.shown.Change(k.GroupKind, d))
			}
		})
	}
	drift, drifted := r.drifts[k.String()]
	delete(r.drifts, k.String())
	if kind == Changed && len(differing) == 0 {
		if !drifted || !r.want.Drift {
			return nil
		}
		kind = Drifted
	}
	change, err := r.describe(object, kind)
	if err != nil {
		return err
	}
	change.Fields = append(change.Fields, differing...)
	if drifted {
		change.Manual, change.Drift, change.Release = true, append([]fields.Change{}, drift.Fields...), drift.Release
	}
	r.changes = append(r.changes, change)
	return nil
}

// describe says of an object what is known of it besides its content.
func (r *changeReader) describe(u *unstructured.Unstructured, kind ChangeKind) (Change, error) {
	k := keyOf(u)
	id, err := r.digests.id(u.GetNamespace(), k)
	if err != nil {
		return Change{}, err
	}
	change, ok := r.listed[id]
	if !ok {
		change = Change{Namespace: u.GetNamespace(), Kind: k.GroupKind.String(), ID: id.String(), Fields: []fields.Change{}}
		change.Release, _, _ = unstructured.NestedString(u.Object, "metadata", "annotations", helm.NameAnnotation)
	}
	change.Name, change.Change = k.name, kind
	return change, nil
}

// absent lists what manifests have and neither point holds.
func (r *changeReader) absent(part string) {
	for _, name := range slices.Sorted(maps.Keys(r.drifts)) {
		drift := r.drifts[name]
		if drift.Missing {
			r.changes = append(r.changes, Change{
				Namespace: namespaceOf(part), Kind: drift.Kind, Name: drift.Name, Change: Absent, Fields: []fields.Change{}, Manual: true, Release: drift.Release,
			})
		}
	}
}

// readDrifts reads what of a part has drifted.
func (r *changeReader) readDrifts(ctx context.Context, part string) (map[string]Drift, error) {
	drifts := map[string]Drift{}
	if !r.to.Has(driftName, helmDir, part) {
		return drifts, nil
	}
	file, err := r.to.Open(ctx, driftName, helmDir, part)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // only read
	lines := json.NewDecoder(bufio.NewReader(file))
	for {
		var drift Drift
		err := lines.Decode(&drift)
		if errors.Is(err, io.EOF) {
			return drifts, nil
		}
		if err != nil {
			return nil, err
		}
		drifts[drift.Kind+"/"+drift.Name] = drift
	}
}
