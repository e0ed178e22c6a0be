package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/openim-dr/openim-dr/internal/fault"
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
	if p.captured.DigestVersion != digestVersion {
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

// inventory is what a point holds of one namespace, without the content.
type inventory struct {
	captured  CapturedNamespace
	namespace *unstructured.Unstructured // what the namespace itself was like
	objects   map[key]seal.Digest        // that are wanted
	kinds     []schema.GroupVersionKind  // of these
	bytes     int64                      // of these
	excluded  int64                      // left out by the settings, though captured
}

// inventory reads a namespace's file to its end and finds out whether it holds
// what the manifest says (invariant 3).
func (p *point) inventory(ctx context.Context, captured CapturedNamespace) (*inventory, error) {
	held := &inventory{captured: captured, namespace: bareNamespace(captured.Name), objects: map[key]seal.Digest{}}
	var sum seal.Digest
	err := p.documents(ctx, captured.Name, func(d document) error {
		if isNamespace(d.object) {
			held.namespace = d.object
			return nil
		}
		digest, err := p.digests.digest(d.object, captured.Name)
		if err != nil {
			return err
		}
		sum.Add(digest)
		p.take(held, d, digest)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read namespace %q of the point: %w", captured.Name, err)
	}
	if sum != captured.Digest {
		return nil, fault.New(fault.Corrupt, "read namespace "+captured.Name+" of", "its file has digest %s, the manifest says %s", sum, captured.Digest).
			On("point " + p.from.Point().Point).Hint("restore from another point, or from a copy of the repository")
	}
	return held, nil
}

func (p *point) take(held *inventory, d document, digest seal.Digest) {
	if !p.selection.wants(held.captured.Name, keyOf(d.object)) {
		return
	}
	if p.excluded(d.object) {
		held.excluded++
		return
	}
	held.objects[keyOf(d.object)] = digest
	held.bytes += d.size
	if gvk := d.object.GroupVersionKind(); !slices.Contains(held.kinds, gvk) {
		held.kinds = append(held.kinds, gvk)
	}
}

// documents reads a namespace's file to its end, which is where the
// repository has verified every byte.
func (p *point) documents(ctx context.Context, namespace string, fn func(document) error) error {
	file, err := p.from.Open(ctx, fileName(namespace))
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // only read
	return readDocuments(file, fn)
}

func isNamespace(u *unstructured.Unstructured) bool {
	return u.GetAPIVersion() == "v1" && u.GetKind() == "Namespace"
}

// live calls fn with the digest that each object of some kinds in a namespace
// of the target would have if it had been captured from namespace as.
func (s *session) live(ctx context.Context, kinds []kind, namespace, as string, digests *digester, fn func(*unstructured.Unstructured, seal.Digest)) error {
	for _, k := range kinds {
		err := s.list(ctx, listing{kind: k, namespace: namespace}, func(u *unstructured.Unstructured) error {
			strip(u)
			digest, err := digests.digest(u, as)
			if err == nil {
				fn(u, digest)
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
