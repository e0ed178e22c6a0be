package kube

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

// Compare reads every restored object again and holds its canonical form
// against the point's. Objects that the point does not hold are no difference.
func (c *Cluster) Compare(ctx context.Context, from *repository.SourceReader, plan *source.Plan, show progress.Reporter) (*source.Comparison, error) {
	private, err := planOf(plan)
	if err != nil {
		return nil, err
	}
	p, err := c.openPoint(ctx, from, private.selection)
	if err != nil {
		return nil, err
	}
	s, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	run := &comparing{point: p, session: s, catalog: newCatalog(s), shown: show.Task(c.name, progress.Objects, private.total())}
	defer run.shown.Done()
	result := &source.Comparison{Deviations: plan.Deviations}
	for _, planned := range private.namespaces {
		if err := run.namespace(ctx, planned, result); err != nil {
			return nil, fmt.Errorf("compare %s: %w", describePart(planned.target), err)
		}
	}
	return result, run.volumes(ctx, private.volumes, result)
}

type comparing struct {
	*point
	session *session
	catalog *catalog
	shown   progress.Task
}

func (r *comparing) namespace(ctx context.Context, planned plannedNamespace, result *source.Comparison) error {
	held, err := r.inventory(ctx, planned.captured)
	if err != nil {
		return err
	}
	kinds, err := r.catalog.resolve(ctx, held.kinds)
	if err != nil {
		return err
	}
	for k := range planned.left {
		delete(held.objects, k)
	}
	var differences []source.Difference
	err = repeatable(func() (err error) {
		differences, err = r.differences(ctx, planned, held, kinds)
		return err
	})
	if err != nil {
		return err
	}
	result.Items = append(result.Items, source.Compared{
		Name: planned.captured.Name, Objects: int64(len(held.objects)), Bytes: held.bytes, Equal: len(differences) == 0,
	})
	result.Differences = append(result.Differences, differences...)
	r.shown.Add(int64(len(held.objects)))
	return nil
}

func (r *comparing) differences(ctx context.Context, planned plannedNamespace, held *inventory, kinds []kind) ([]source.Difference, error) {
	captured := planned.captured.Name
	var differences []source.Difference
	missing := maps.Clone(held.objects)
	err := r.session.live(ctx, kinds, namespaceOf(planned.target), captured, r.digests, func(u liveObject) {
		k := keyOf(u.Unstructured)
		want, wanted := missing[k]
		delete(missing, k)
		if wanted && u.digest != want.digest {
			differences = append(differences, source.Difference{Object: captured + "/" + k.String(), What: "digest", Want: want.digest.String(), Got: u.digest.String()})
		}
	})
	for k, want := range missing {
		differences = append(differences, source.Difference{Object: captured + "/" + k.String(), What: "missing", Want: want.digest.String()})
	}
	slices.SortFunc(differences, func(a, b source.Difference) int { return strings.Compare(a.Object, b.Object) })
	return differences, err
}
