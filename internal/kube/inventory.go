package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/kube/document"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/seal"
)

// point reads what a point holds of this source, so far as it is wanted.
type point struct {
	*Cluster
	from      *repository.SourceReader
	captured  Captured
	selection *selection
	digests   *digester
}

func (c *Cluster) openPoint(ctx context.Context, from *repository.SourceReader, selected *selection) (*point, error) {
	p := &point{Cluster: c, from: from, selection: selected}
	if from.FormatVersion() != FormatVersion {
		return nil, fault.New(fault.Usage, "read", "it is of format %d, and this version of openim-dr reads format %d", from.FormatVersion(), FormatVersion).
			On("source " + from.Name()).Hint("use a version of openim-dr that knows this point")
	}
	if err := from.Captured(&p.captured); err != nil {
		return nil, fmt.Errorf("read record of source %q: %w", from.Name(), err)
	}
	if !slices.Contains(digestVersions, p.captured.DigestVersion) {
		return nil, fault.New(fault.Usage, "read", "its digests are of version %d, and this version of openim-dr compares version %d",
			p.captured.DigestVersion, digestVersion).On("source " + from.Name()).Hint("use a version of openim-dr that knows this point")
	}
	digestKey, err := from.DigestKey(ctx)
	if err != nil {
		return nil, err
	}
	p.digests = newDigester(digestKey)
	return p, nil
}

// inventory is what a point holds of one namespace, or of what belongs to none,
// without the content.
type inventory struct {
	captured  CapturedNamespace
	namespace *unstructured.Unstructured // what the namespace itself was like
	objects   map[key]heldObject         // that are wanted
	kinds     []schema.GroupVersionKind  // of these
	bytes     int64                      // of these
	// definitions are the kinds that wanted objects will bring.
	definitions []kind
	sources     secretSources // of what operators make
	excluded    int64         // left out by the settings, though captured
	renamed     []string      // texts of the renamings that objects here have
}

type heldObject struct {
	digest seal.Digest
	size   int64 // of its YAML, bytes
}

// inventory reads a part's file to its end and finds out whether it holds
// what the manifest says (invariant 3).
func (p *point) inventory(ctx context.Context, captured CapturedNamespace) (*inventory, error) {
	held := &inventory{captured: captured, namespace: bareNamespace(captured.Name), objects: map[key]heldObject{}, sources: secretSources{}}
	var sum seal.Digest
	err := p.documents(ctx, captured.Name, func(d document.Document) error {
		if isNamespace(d.Object) {
			held.namespace = d.Object
			return nil
		}
		digest, err := p.digests.digest(d.Object, captured.Name)
		if err != nil {
			return err
		}
		sum.Add(digest)
		return p.take(held, d, digest)
	})
	if err != nil {
		return nil, fmt.Errorf("read %s of the point: %w", describePart(captured.Name), err)
	}
	if sum != captured.Digest {
		return nil, fault.New(fault.Corrupt, "read "+describePart(captured.Name)+" of", "its file has digest %s, the manifest says %s", sum, captured.Digest).
			On("point " + p.from.Point().Point).Hint("restore from another point, or from a copy of the repository")
	}
	return held, nil
}

// current brings an object of a part into the form of today, which an older version
// may not have written, and under the name that it has at the target. It reports
// whether it is another one now than the point holds.
func (p *point) current(part string, u *unstructured.Unstructured) bool {
	older := p.captured.DigestVersion < digestVersion
	if older {
		strip(u)
	}
	return p.selection.rename(part, u) || older
}

func (p *point) take(held *inventory, d document.Document, digest seal.Digest) (err error) {
	part, captured := held.captured.Name, keyOf(d.Object)
	if !p.selection.wants(part, captured) {
		return nil
	}
	if p.excluded(d.Object) {
		held.excluded++
		return nil
	}
	if p.current(part, d.Object) {
		if digest, err = p.digests.digest(d.Object, part); err != nil {
			return err
		}
	}
	if r := p.selection.renamed(part, captured); r != nil {
		held.renamed = append(held.renamed, r.text)
	}
	if _, taken := held.objects[keyOf(d.Object)]; taken {
		return fault.New(fault.Usage, "rename objects", "two objects of %s would both become %s", describePart(part), keyOf(d.Object)).
			Hint("give another name, or leave one of them out with --exclude")
	}
	held.sources.see(d.Object)
	if isDefinition(d.Object) {
		held.definitions = append(held.definitions, kindsDefinedBy(d.Object)...)
	}
	held.objects[keyOf(d.Object)] = heldObject{digest, d.Size}
	held.bytes += d.Size
	if gvk := d.Object.GroupVersionKind(); !slices.Contains(held.kinds, gvk) {
		held.kinds = append(held.kinds, gvk)
	}
	return nil
}

// documents reads a part's file to its end, which is where the repository has
// verified every byte.
func (p *point) documents(ctx context.Context, part string, fn func(document.Document) error) error {
	return p.documentsOf(ctx, part, document.EveryKind, fn)
}

// documentsOf does the same, and passes over the documents of other kinds.
func (p *point) documentsOf(ctx context.Context, part string, wanted func(schema.GroupKind) bool, fn func(document.Document) error) error {
	file, err := p.from.Open(ctx, fileName(part))
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // only read
	return document.ReadOf(file, wanted, fn)
}

func isNamespace(u *unstructured.Unstructured) bool {
	return u.GetAPIVersion() == "v1" && u.GetKind() == "Namespace"
}

// liveObject is one at the target.
type liveObject struct {
	*unstructured.Unstructured
	digest seal.Digest
	remade bool // a controller makes it anew
}

// live calls fn with the digest that each object of some kinds in a namespace of
// the target, or in the whole of it, would have if it had been captured as of that
// part.
func (s *session) live(ctx context.Context, kinds []kind, namespace, as string, digests *digester, fn func(liveObject)) error {
	for _, k := range kinds {
		err := s.list(ctx, listing{kind: k, namespace: namespace}, func(u *unstructured.Unstructured) error {
			made := remade[u.GroupVersionKind().GroupKind().String()].of(u)
			strip(u)
			digest, err := digests.digest(u, as)
			if err == nil {
				fn(liveObject{u, digest, made})
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// resolve finds the kinds of an inventory at the target, in a fixed order.
func (c *catalog) resolve(ctx context.Context, gvks []schema.GroupVersionKind) ([]kind, error) {
	kinds := make([]kind, 0, len(gvks))
	for _, gvk := range gvks {
		found, err := c.captured(ctx, gvk)
		if err != nil {
			return nil, err
		}
		kinds = append(kinds, found)
	}
	slices.SortFunc(kinds, func(a, b kind) int { return strings.Compare(a.String(), b.String()) })
	return kinds, nil
}
