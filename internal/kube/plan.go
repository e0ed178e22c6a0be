package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

// restorePlan is what Plan keeps for Restore and Compare.
type restorePlan struct {
	selection  *selection
	attempt    source.Attempt
	namespaces []plannedNamespace
	volumes    []plannedVolume
}

// plannedNamespace is one namespace on its way back, or what belongs to none.
type plannedNamespace struct {
	captured CapturedNamespace
	object   *unstructured.Unstructured // what the namespace itself was like
	target   string                     // its name at the target
	exists   bool
	occupied bool // some of the point's objects exist at the target
	objects  int64
	bytes    int64
	ranks    map[rank]bool // of the objects
	left     map[key]bool  // to an operator at the target
}

// Plan reads the point and the target and changes neither.
func (c *Cluster) Plan(ctx context.Context, from *repository.SourceReader, want source.Selection) (*source.Plan, error) {
	selected, err := newSelection(want)
	if err != nil {
		return nil, err
	}
	p, err := c.openPoint(ctx, from, selected)
	if err != nil {
		return nil, err
	}
	if err := selected.check(p.captured.parts()); err != nil {
		return nil, err
	}
	s, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	planner := &planner{session: s, attempt: want.Attempt, damage: want.Damage, catalog: newCatalog(s), point: p, plan: &source.Plan{}, private: &restorePlan{selection: selected, attempt: want.Attempt}}
	if err := planner.volumes(ctx, want.Volumes); err != nil {
		return nil, err
	}
	for _, captured := range p.captured.parts() {
		if err := planner.namespace(ctx, captured); err != nil {
			return nil, err
		}
	}
	if len(planner.private.namespaces)+len(planner.private.volumes)+len(planner.plan.Refusals) == 0 && len(want.Damage.Lost()) == 0 {
		return nil, fault.New(fault.Usage, "plan restore of", "nothing in the point matches what was asked for").
			On("source "+from.Name()).Hint("patterns are namespace/Kind/name; the point holds the namespaces %s", namesOf(p.captured.parts()))
	}
	if len(want.Rename) > 0 && planner.private.namespaces != nil && planner.private.namespaces[0].target == clusterPart {
		planner.warn("what belongs to no namespace is not renamed: bindings, webhooks and volumes name namespaces as they were captured")
	}
	planner.plan.Private = planner.private
	return planner.plan, nil
}

// planner collects a plan.
type planner struct {
	damage  *source.Damage
	attempt source.Attempt
	session *session
	catalog *catalog
	point   *point
	plan    *source.Plan
	private *restorePlan
}

func (r *planner) namespace(ctx context.Context, captured CapturedNamespace) error {
	selected := r.point.selection
	if !selected.mayWant(captured.Name) {
		return nil
	}
	held, err := r.point.inventory(ctx, captured)
	if r.damage.Tolerates(err) {
		r.damage.Add(source.Lost{Object: captured.Name, What: "all of it", Why: err.Error(), Include: captured.Name, Names: []string{captured.Name}})
		return nil
	}
	if err != nil {
		return err
	}
	if err := selected.requireRenamed(held); err != nil {
		return err
	}
	target := selected.target(captured.Name)
	if len(held.renamed) > 0 {
		r.warn("%s: %s the old one", describePart(captured.Name), quantity.Count(len(held.renamed), "object gets another name, and what refers to it keeps", "objects get another name, and what refers to them keeps"))
	}
	if held.excluded > 0 {
		r.warn("%s: left out because the settings of the target exclude it: %s of the point", describePart(captured.Name), objects(held.excluded))
	}
	r.catalog.define(held.definitions)
	planned := plannedNamespace{captured: captured, object: held.namespace, target: target, ranks: map[rank]bool{}, left: map[key]bool{}}
	if err := r.leaveToOperator(ctx, &planned, held); err != nil {
		return err
	}
	if len(held.objects) == 0 && (len(selected.include) > 0 || captured.Name == clusterPart) {
		return nil
	}
	planned.objects, planned.bytes = int64(len(held.objects)), held.bytes
	for _, gvk := range held.kinds {
		planned.ranks[rankOf(gvk.GroupKind())] = true
	}
	if err := r.look(ctx, &planned, held); err != nil {
		return err
	}
	if !planned.exists {
		r.plan.Steps = append(r.plan.Steps, source.Step{Action: "create namespace", Target: r.session.target(target)})
	}
	r.plan.Steps = append(r.plan.Steps, source.Step{Action: "apply", Target: r.session.target(target), Objects: planned.objects, Bytes: planned.bytes})
	r.private.namespaces = append(r.private.namespaces, planned)
	return nil
}

// look finds out what the target holds and whether it may be written.
func (r *planner) look(ctx context.Context, planned *plannedNamespace, held *inventory) error {
	if err := r.lookAtNamespace(ctx, planned); err != nil {
		return err
	}
	kinds, err := r.catalog.resolve(ctx, held.kinds)
	if isUnserved(err) {
		return r.unserved(ctx, planned, held)
	}
	if err != nil {
		return err
	}
	served := kinds
	for _, gvk := range held.kinds {
		if has, err := r.catalog.serves(ctx, gvk); err != nil {
			return err
		} else if !has { // the restore itself brings its definition
			served = slices.DeleteFunc(slices.Clone(served), func(k kind) bool { return k.GroupVersionKind == gvk })
		}
	}
	if planned.exists {
		if err := r.occupied(ctx, planned, held, served); err != nil {
			return err
		}
	}
	return r.rights(ctx, *planned, kinds)
}

// lookAtNamespace finds out whether there is one by the name.
func (r *planner) lookAtNamespace(ctx context.Context, planned *plannedNamespace) error {
	if planned.target == clusterPart {
		planned.exists = true
		return nil
	}
	existing, err := r.session.namespace(ctx, planned.target)
	if err != nil && !answered(err, metav1.StatusReasonForbidden) {
		return err
	}
	// Where the namespace may not be seen it has to exist already.
	planned.exists = existing != nil || err != nil
	if existing != nil && existing.GetDeletionTimestamp() != nil {
		return fault.New(fault.Failed, "plan restore into", "the namespace is being deleted").
			On(r.session.target(planned.target)).Hint("wait until it is gone, or restore under another name: --rename %s=NEW", planned.captured.Name)
	}
	return nil
}

// unserved refuses objects that the target has no place for: silently leaving them
// out would restore less than somebody believes.
func (r *planner) unserved(ctx context.Context, planned *plannedNamespace, held *inventory) error {
	var missing, patterns []string
	for _, gvk := range held.kinds {
		_, err := r.catalog.captured(ctx, gvk)
		if err != nil && !isUnserved(err) {
			return err
		}
		if err != nil {
			missing = append(missing, gvk.Kind+" of "+gvk.GroupVersion().String())
			patterns = append(patterns, fmt.Sprintf("--exclude '%s/%s/%s'", r.point.from.Name(), planned.captured.Name, gvk.GroupKind()))
		}
	}
	return fault.New(fault.Usage, "plan restore into", "%w", &unserved{"the server does not serve " + strings.Join(missing, ", ")}).On(r.session.target(planned.target)).
		Hint("install what defines them, or restore their CustomResourceDefinitions in the same go where the point has them, or leave them out: %s", strings.Join(patterns, " "))
}

// census counts what a target namespace holds, seen from the point.
type census struct {
	present, differing, foreign int64

	changed []key // some of those that differ
}

func (r *planner) occupied(ctx context.Context, planned *plannedNamespace, held *inventory, kinds []kind) error {
	var found census
	err := repeatable(func() error {
		found = census{}
		return r.session.live(ctx, kinds, namespaceOf(planned.target), planned.captured.Name, r.point.digests, func(u liveObject) {
			k := keyOf(u.Unstructured)
			want, ours := held.objects[k]
			switch {
			case ours && u.digest != want.digest && bareDefaultAccount(u.Unstructured):
				// A controller has made it with the namespace, and nothing is lost.
			case ours && u.digest != want.digest:
				found.differing++
				found.present++
				found.note(k)
			case ours:
				found.present++
			case !u.remade && !r.point.excluded(u.Unstructured) && !planned.left[k]:
				found.foreign++
			}
		})
	})
	if err != nil {
		return err
	}
	target := r.session.target(planned.target)
	if found.foreign > 0 {
		r.warn("%s also holds %s that the restore leaves as found", target, objects(found.foreign))
	}
	if planned.occupied = found.present > 0; planned.occupied && !r.ours(target, found) {
		r.plan.Occupied = append(r.plan.Occupied, source.Occupied{
			Target: target, Parts: partsOf(planned.target, kinds),
			Holds: fmt.Sprintf("%d of the %s to be restored, %d of them different from the point", found.present, objects(planned.objects), found.differing),
		})
		return r.conflicts(ctx, planned, found.changed)
	}
	return nil
}

// partsOf spells what a point of just some kinds of a part holds, see Settings.Only.
func partsOf(part string, kinds []kind) []string {
	var parts []string
	for _, k := range kinds {
		parts = append(parts, part+"/"+k.rbac())
	}
	return parts
}

// ours reports whether what a target holds may be what an earlier process of the
// restore has written there or was to overwrite. It has written objects whole, so
// that what differs from the point is somebody else's (invariant 5).
func (r *planner) ours(target string, found census) bool {
	return r.attempt.HasBegun(target) && (found.differing == 0 || slices.Contains(r.attempt.Agreed, target))
}

// rights refuses early what would fail halfway through a restore.
func (r *planner) rights(ctx context.Context, planned plannedNamespace, kinds []kind) error {
	var needed []right
	if !planned.exists {
		needed = append(needed, right{"create", namespaceKind, ""})
	}
	for _, k := range kinds {
		needed = append(needed, writeRights(k, namespaceOf(planned.target), planned.occupied)...)
	}
	missing, err := r.session.lacking(ctx, needed)
	if err != nil {
		return err
	}
	if len(missing) == 0 {
		return nil
	}
	return fault.New(fault.Usage, "plan restore into", "the credentials lack the rights %s", strings.Join(missing, ", ")).
		On(r.session.target(planned.target)).Hint("grant them as `openim-dr config rbac --for restore` prints them, or restore with an administrator's kubeconfig")
}

// objects counts objects in words.
func objects(n int64) string { return quantity.Count(n, "object", "objects") }

func (r *planner) warn(format string, args ...any) {
	r.plan.Warnings = append(r.plan.Warnings, fmt.Sprintf(format, args...))
}
