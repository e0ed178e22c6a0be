package kube

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/openim-dr/openim-dr/internal/kube/document"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

// Rehearsal goes through the restore of a point's documents without writing any:
// each is read to its end, held against the point's digests and against what
// Kubernetes knows of its kind. Where an API server is at hand, each is offered
// to it in a dry run, into a namespace of its own that is removed again.
type Rehearsal struct {
	cluster *Cluster
	server  bool
}

var _ source.Restorer = (*Rehearsal)(nil)

// NewRehearsal returns the rehearsal of a source. Without a server nothing is
// connected to.
func NewRehearsal(name string, settings *Settings, server bool) (*Rehearsal, error) {
	cluster, err := New(name, settings)
	if err != nil {
		return nil, err
	}
	return &Rehearsal{cluster, server}, nil
}

// rehearsal is what Plan keeps for Restore and Compare.
type rehearsal struct {
	selection *selection

	mu      sync.Mutex
	refused map[string][]source.Difference // by part, as captured
	defined []kind                         // by the point's own definitions
	untried []source.Deviation
}

// Plan counts what there is to go through.
func (r *Rehearsal) Plan(ctx context.Context, from *repository.SourceReader, want source.Selection) (*source.Plan, error) {
	selected, err := newSelection(want)
	if err != nil {
		return nil, err
	}
	p, err := r.cluster.openPoint(ctx, from, selected)
	if err != nil {
		return nil, err
	}
	plan := &source.Plan{Private: &rehearsal{selection: selected, refused: map[string][]source.Difference{}}}
	action := "read documents"
	if r.server {
		action = "create in a dry run"
	}
	for _, namespace := range p.captured.parts() {
		plan.Steps = append(plan.Steps, source.Step{Action: action, Target: describeRehearsed(namespace.Name), Objects: namespace.Objects, Bytes: namespace.Bytes})
	}
	return plan, nil
}

// Restore offers every document to the API server, where there is one, and to
// what this program knows of its kind where there is none.
func (r *Rehearsal) Restore(ctx context.Context, from *repository.SourceReader, plan *source.Plan, show progress.Reporter) (repository.Summary, error) {
	private, p, err := r.open(ctx, from, plan)
	if err != nil {
		return repository.Summary{}, err
	}
	shown := show.Task(r.cluster.name, progress.Objects, from.Summary().Documents)
	defer shown.Done()
	if !r.server {
		return private.each(ctx, p, shown, private.offline)
	}
	s, err := r.cluster.open(ctx)
	if err != nil {
		return repository.Summary{}, err
	}
	defer s.close()
	run := &dryRun{rehearsal: private, session: s, catalog: newCatalog(s), namespace: "openim-dr-drill-" + strings.ToLower(rand.Text()[:10])}
	if err := run.requireRights(ctx, p.captured); err != nil {
		return repository.Summary{}, err
	}
	if err := run.begin(ctx); err != nil {
		return repository.Summary{}, err
	}
	sum, err := private.each(ctx, p, shown, run.offer)
	return sum, errors.Join(err, run.end(ctx))
}

func (r *Rehearsal) open(ctx context.Context, from *repository.SourceReader, plan *source.Plan) (*rehearsal, *point, error) {
	private, ok := plan.Private.(*rehearsal)
	if !ok {
		return nil, nil, fmt.Errorf("rehearse kubernetes source: the plan was made by another source")
	}
	p, err := r.cluster.openPoint(ctx, from, private.selection)
	return private, p, err
}

// each calls try for every document, several at once.
func (r *rehearsal) each(ctx context.Context, p *point, shown progress.Task, try func(context.Context, string, *unstructured.Unstructured) error) (repository.Summary, error) {
	var sum repository.Summary
	for _, namespace := range p.captured.parts() {
		group, working := errgroup.WithContext(ctx)
		group.SetLimit(parallelWrites)
		err := p.documents(working, namespace.Name, func(d document.Document) error {
			if isNamespace(d.Object) {
				return working.Err()
			}
			if isDefinition(d.Object) {
				r.define(kindsDefinedBy(d.Object))
			}
			sum.Documents++
			sum.Bytes += d.Size
			group.Go(func() error {
				defer shown.Add(1)
				return try(working, namespace.Name, d.Object)
			})
			return working.Err()
		})
		if failed := group.Wait(); failed != nil {
			err = failed
		}
		if err != nil {
			return sum, fmt.Errorf("rehearse %s: %w", describePart(namespace.Name), err)
		}
	}
	return sum, nil
}

// offline holds a document against the type of its kind. A kind that Kubernetes
// itself does not have can only be tried on a server.
func (r *rehearsal) offline(_ context.Context, namespace string, u *unstructured.Unstructured) error {
	typed, err := builtIn.New(u.GroupVersionKind())
	if err != nil {
		r.leave(namespace, u, "only a server knows its kind: verify.given can name one")
		return nil
	}
	err = runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(u.Object, typed, true)
	switch {
	case err == nil:
	case runtime.IsStrictDecodingError(err):
		r.leave(namespace, u, "it has fields that this program does not know, as a newer Kubernetes may have")
	default:
		r.refuse(namespace, u, "a document of its kind", "fields of another type than the kind has")
	}
	return nil
}

func (r *rehearsal) define(kinds []kind) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.defined = append(r.defined, kinds...)
}

// defines reports whether a restore would bring a kind's definition.
func (r *rehearsal) defines(gvk schema.GroupVersionKind) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.defined, func(k kind) bool { return k.GroupVersionKind == gvk })
}

func describeRehearsed(part string) string {
	if part == clusterPart {
		return part
	}
	return "namespace " + part
}

// leave notes a document about which nothing can be said.
func (r *rehearsal) leave(namespace string, u *unstructured.Unstructured, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.untried = append(r.untried, source.Deviation{Object: namespace + "/" + keyOf(u).String(), What: "not tried", Why: why})
}

func (r *rehearsal) refuse(namespace string, u *unstructured.Unstructured, want, got string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused[namespace] = append(r.refused[namespace], source.Difference{Object: namespace + "/" + keyOf(u).String(), What: "document", Want: want, Got: got})
}

// Compare reads every document again, holds it against the point's digests, and
// says which were refused.
func (r *Rehearsal) Compare(ctx context.Context, from *repository.SourceReader, plan *source.Plan, _ progress.Reporter) (*source.Comparison, error) {
	private, p, err := r.open(ctx, from, plan)
	if err != nil {
		return nil, err
	}
	result := &source.Comparison{Deviations: private.untried}
	for _, namespace := range p.captured.parts() {
		held, err := p.inventory(ctx, namespace) // fails where the digest is another
		if err != nil {
			return nil, err
		}
		refused := private.refused[namespace.Name]
		result.Items = append(result.Items, source.Compared{
			Name: namespace.Name, Objects: int64(len(held.objects)), Bytes: held.bytes, Equal: len(refused) == 0,
		})
		result.Differences = append(result.Differences, refused...)
	}
	return result, nil
}

// dryRun offers documents to a server.
type dryRun struct {
	*rehearsal
	session   *session
	namespace string // the scratch namespace

	mu      sync.Mutex
	catalog *catalog
}

const (
	// drillLabel marks scratch namespaces, and abandonedAfter is when one of them
	// belongs to a drill that was killed: a dry run takes minutes.
	drillLabel     = "openim-dr/drill"
	abandonedAfter = 24 * time.Hour
)

// begin makes the scratch namespace, without which nothing is admitted.
func (d *dryRun) begin(ctx context.Context) error {
	if err := d.sweep(ctx); err != nil {
		return err
	}
	u := bareNamespace(d.namespace)
	u.SetLabels(map[string]string{drillLabel: "true"})
	started := time.Now()
	_, err := d.session.objects.Resource(namespaceResource).Create(ctx, u, metav1.CreateOptions{FieldManager: fieldManager})
	if err != nil {
		return d.session.fail(call{verb: "create", resource: "namespaces", name: d.namespace}, started, err)
	}
	return nil
}

// sweep removes what drills that were killed have left behind.
func (d *dryRun) sweep(ctx context.Context) error {
	started := time.Now()
	list, err := d.session.objects.Resource(namespaceResource).List(ctx, metav1.ListOptions{LabelSelector: drillLabel + "=true"})
	if err != nil {
		return d.session.fail(call{verb: "list", resource: "namespaces"}, started, err)
	}
	for _, old := range list.Items {
		if started.Sub(old.GetCreationTimestamp().Time) < abandonedAfter || old.GetDeletionTimestamp() != nil {
			continue
		}
		left := &dryRun{session: d.session, namespace: old.GetName()}
		if err := left.end(ctx); err != nil && !answered(err, metav1.StatusReasonNotFound) {
			return err
		}
	}
	return nil
}

// cleanupTime bounds the removal of the scratch namespace, which is also tried
// after a cancellation.
const cleanupTime = 30 * time.Second

func (d *dryRun) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	started := time.Now()
	err := d.session.objects.Resource(namespaceResource).Delete(ctx, d.namespace, metav1.DeleteOptions{})
	if err != nil {
		return d.session.fail(call{verb: "delete", resource: "namespaces", name: d.namespace}, started, err)
	}
	return nil
}

// kind finds a document's kind; the catalog is used by one at a time.
func (d *dryRun) kind(ctx context.Context, u *unstructured.Unstructured) (kind, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.catalog.captured(ctx, u.GroupVersionKind())
}

// offer creates a document, as a restore does, in a dry run. What the server refuses is a difference.
func (d *dryRun) offer(ctx context.Context, namespace string, u *unstructured.Unstructured) error {
	k, err := d.kind(ctx, u)
	if err != nil {
		if isUnserved(err) && d.defines(u.GroupVersionKind()) {
			d.leave(namespace, u, "the point brings its definition, and a dry run makes none")
			return nil
		}
		if isUnserved(err) {
			d.refuse(namespace, u, "a kind that the server serves", "none")
			return nil
		}
		return err
	}
	copied := u.DeepCopy()
	scratch := d.namespace
	if !k.namespaced {
		scratch = ""
	}
	copied.SetNamespace(scratch)
	withoutPorts(copied)
	started := time.Now()
	_, err = d.session.objects.Resource(k.gvr()).Namespace(scratch).Create(ctx, copied, metav1.CreateOptions{
		FieldManager: fieldManager, DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict,
	})
	if err == nil {
		return nil
	}
	err = d.session.fail(call{verb: "create", resource: k.rbac(), namespace: scratch, name: u.GetName()}, started, err)
	var answer *answerError
	switch {
	case answered(err, metav1.StatusReasonAlreadyExists): // a controller makes it in every namespace
	case errors.As(err, &answer) && answered(err, metav1.StatusReasonInvalid, metav1.StatusReasonBadRequest):
		d.refuse(namespace, u, "a document that the server takes", answer.Error())
	case answered(err, metav1.StatusReasonForbidden):
		d.leave(namespace, u, "the server or a rule of its own forbids it in the namespace of the drill, as it does a role that grants more than the drill's account has")
	default:
		return err
	}
	return nil
}

// withoutPorts takes from a Service what it may have only once in a cluster.
func withoutPorts(u *unstructured.Unstructured) {
	if u.GetAPIVersion() != "v1" || u.GetKind() != "Service" {
		return
	}
	spec, ok := u.Object["spec"].(map[string]any)
	if !ok {
		return
	}
	delete(spec, "clusterIP")
	delete(spec, "clusterIPs")
	delete(spec, "healthCheckNodePort")
	ports, _ := spec["ports"].([]any)
	for _, port := range ports {
		if fields, ok := port.(map[string]any); ok {
			delete(fields, "nodePort")
		}
	}
}
