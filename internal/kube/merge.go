package kube

import (
	"context"
	"errors"
	"iter"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/kube/document"
	"github.com/openim-dr/openim-dr/internal/repository"
)

// objectsOf yields the objects of a kind in a part, in canonical form and in the
// order of their names, in which they stand in a point. What it yields is to be
// believed only if no error follows.
func objectsOf(ctx context.Context, from *repository.SourceReader, part *CapturedNamespace, kind string) iter.Seq2[*unstructured.Unstructured, error] {
	return func(yield func(*unstructured.Unstructured, error) bool) {
		if part == nil || part.Kinds[kind] == 0 {
			return
		}
		file, err := from.Open(ctx, fileName(part.Name))
		if err != nil {
			yield(nil, err)
			return
		}
		defer file.Close() //nolint:errcheck // only read
		last := ""
		err = document.ReadOf(file, func(gk schema.GroupKind) bool { return gk.String() == kind }, func(d document.Document) error {
			if d.Object.GetName() <= last {
				return fault.New(fault.Corrupt, "read "+describePart(part.Name)+" of", "its objects are not in order").On("point " + from.Point().Point)
			}
			last = d.Object.GetName()
			strip(d.Object) // another version may have left more of it
			if !yield(d.Object, nil) {
				return errStopped
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStopped) {
			yield(nil, err)
		}
	}
}

// errStopped: nobody wants more of a sequence.
var errStopped = errors.New("stopped")

// merge walks through two sequences of objects of one kind and calls fn with what both have of
// each, which is nil where one has none.
func merge(before, after iter.Seq2[*unstructured.Unstructured, error], fn func(was, is *unstructured.Unstructured) error) error {
	nextBefore, stopBefore := iter.Pull2(before)
	defer stopBefore()
	nextAfter, stopAfter := iter.Pull2(after)
	defer stopAfter()
	was, errBefore, _ := nextBefore()
	is, errAfter, _ := nextAfter()
	for errBefore == nil && errAfter == nil && (was != nil || is != nil) {
		order := 0
		switch {
		case was == nil:
			order = 1
		case is == nil:
			order = -1
		default:
			order = strings.Compare(was.GetName(), is.GetName())
		}
		b, a := was, is
		if order < 0 {
			a = nil
		}
		if order > 0 {
			b = nil
		}
		if err := fn(b, a); err != nil {
			return err
		}
		if b != nil {
			was, errBefore, _ = nextBefore()
		}
		if a != nil {
			is, errAfter, _ = nextAfter()
		}
	}
	return errors.Join(errBefore, errAfter)
}
