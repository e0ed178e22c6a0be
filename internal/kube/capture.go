package kube

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/openim-dr/openim-dr/internal/kube/document"
	"github.com/openim-dr/openim-dr/internal/kube/fields"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/seal"
)

// FormatVersion is the version of what Capture writes.
const FormatVersion = 1

// Captured is the record of a cluster in the manifest. It names namespaces and
// kinds, but no object other than the claims whose volumes are snapped.
type Captured struct {
	ServerVersion string              `json:"serverVersion"`
	DigestVersion int                 `json:"digestVersion"`
	Namespaces    []CapturedNamespace `json:"namespaces"`
	// Cluster is what belongs to no namespace, under the name _cluster; nil where
	// no such kind was chosen.
	Cluster *CapturedNamespace `json:"cluster,omitempty"`
	// Forbidden are the kinds that were left out since the credentials may not list
	// them, as "Kind.group in NAMESPACE", and Broken the API groups that did not
	// answer. Only patterns of the settings mean any of them.
	Forbidden []string `json:"forbidden,omitempty"`
	Broken    []string `json:"broken,omitempty"`
	// Releases are those of Helm, in the order of namespaces and names.
	Releases []CapturedRelease `json:"releases,omitempty"`
	Volumes  []CapturedVolumes `json:"volumes,omitempty"`
}

// CapturedNamespace is what a point holds of one namespace.
type CapturedNamespace struct {
	Name    string           `json:"name"`
	Objects int64            `json:"objects"`
	Bytes   int64            `json:"bytes"` // of the YAML
	Kinds   map[string]int64 `json:"kinds"` // Kind or Kind.group -> objects
	// Owned counts the objects that had an owner; the reference is not kept.
	Owned int64 `json:"owned,omitempty"`
	// Managed counts the Secrets that an operator makes, out of something else that
	// is in the cluster or outside.
	Managed int64 `json:"managed,omitempty"`
	// Drifted counts the objects that are not as the manifests of their Helm
	// releases have them, those that are missing included.
	Drifted int64 `json:"drifted,omitempty"`
	// Digest is the sum of the keyed digests of all objects, the Namespace
	// itself not among them.
	Digest seal.Digest `json:"digest"`
}

// Codes of warnings in a manifest.
const (
	warnNamespaceUnseen = "kubernetes.namespace-unseen"
	warnKindForbidden   = "kubernetes.kind-forbidden"
	warnGroupBroken     = "kubernetes.group-broken"
)

// fileName is a namespace's file in a point.
func fileName(namespace string) string { return repository.FileName(namespace) + ".yaml" }

// capture is one run over the chosen namespaces and kinds.
type capture struct {
	*Cluster
	session    *session
	chosen     *choice
	namespaces []string
	unseen     []string
	forbidden  []forbidden
	draft      *repository.SourceDraft
	digests    *digester
	shown      progress.Task
	objects    *register
}

// Capture writes every configured object, one file per namespace and one for what
// belongs to none.
func (c *Cluster) Capture(ctx context.Context, draft *repository.SourceDraft, show progress.Reporter) error {
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	run := &capture{Cluster: c, session: s, draft: draft, digests: newDigester(draft.DigestKey())}
	if err := run.choose(ctx); err != nil {
		return err
	}
	run.shown = show.Task(c.name, progress.Objects, 0)
	defer run.shown.Done()
	if run.objects, err = run.newRegister(ctx, run.namespaces); err != nil {
		return err
	}
	defer run.objects.list.Abort()

	record := Captured{ServerVersion: s.version, DigestVersion: digestVersion, Releases: run.objects.record}
	for _, f := range run.forbidden {
		record.Forbidden = append(record.Forbidden, f.String())
	}
	if slices.ContainsFunc(run.chosen.kinds, func(k kind) bool { return !k.namespaced }) {
		captured, err := run.part(ctx, clusterPart)
		if err != nil {
			return err
		}
		record.Cluster = &captured
	}
	for _, name := range run.namespaces {
		captured, err := run.part(ctx, name)
		if err != nil {
			return err
		}
		record.Namespaces = append(record.Namespaces, captured)
	}
	record.Broken = run.chosen.broken
	run.warn()
	if err := run.objects.finish(); err != nil {
		return err
	}
	if record.Volumes, err = run.volumes(ctx, show); err != nil {
		return err
	}
	if err := draft.Captured(record); err != nil {
		return err
	}
	draft.Summarize(record.sum())
	return nil
}

// choose finds out what is to be captured, and refuses before anything is if it
// cannot be.
func (r *capture) choose(ctx context.Context) (err error) {
	if r.chosen, err = newCatalog(r.session).choose(ctx, r.settings); err != nil {
		return err
	}
	if r.namespaces, r.unseen, err = r.session.chosen(ctx, r.settings); err != nil {
		return err
	}
	r.forbidden, err = r.session.forbidden(ctx, r.chosen.kinds, r.namespaces)
	if err != nil && !answered(err, metav1.StatusReasonForbidden) { // who may not ask finds out by listing
		return err
	}
	return r.chosen.requireNamed(r.session, r.forbidden)
}

// warn counts what is not in the point and harms nothing.
func (r *capture) warn() {
	for code, count := range map[string]int{warnNamespaceUnseen: len(r.unseen), warnKindForbidden: len(r.forbidden), warnGroupBroken: len(r.chosen.broken)} {
		if count > 0 {
			r.draft.Warn(code, int64(count))
		}
	}
}

func (c Captured) sum() (sum repository.Summary) {
	for _, captured := range c.parts() {
		sum.Documents += captured.Objects
		sum.Bytes += captured.Bytes
	}
	return sum
}

// part captures one namespace, or what belongs to none, and begins its file again
// where the server lost the state that was being listed.
func (r *capture) part(ctx context.Context, name string) (captured CapturedNamespace, err error) {
	err = repeatable(func() error {
		captured = CapturedNamespace{Name: name, Kinds: map[string]int64{}}
		r.objects.begin(name)
		return r.writePart(ctx, &captured)
	})
	if err == nil {
		captured.Drifted, err = r.objects.end(ctx)
	}
	if err != nil {
		return captured, fmt.Errorf("capture %s: %w", describePart(name), err)
	}
	return captured, nil
}

func (r *capture) writePart(ctx context.Context, captured *CapturedNamespace) error {
	file, err := r.draft.Create(ctx, fileName(captured.Name))
	if err != nil {
		return err
	}
	defer file.Abort()
	documents := document.NewWriter(file)
	if captured.Name != clusterPart {
		namespace, err := r.describe(ctx, captured.Name)
		if err != nil {
			return err
		}
		if err := documents.Write(namespace); err != nil {
			return err
		}
	}
	for _, k := range r.kindsOf(captured.Name) {
		if err := r.writeKind(ctx, documents, captured, k); err != nil {
			return err
		}
	}
	captured.Bytes = documents.Written
	return file.Commit()
}

// kindsOf are those of which a part may hold any.
func (r *capture) kindsOf(part string) []kind {
	return slices.DeleteFunc(slices.Clone(r.chosen.kinds), func(k kind) bool {
		return k.namespaced == (part == clusterPart) || slices.Contains(r.forbidden, forbidden{k, part})
	})
}

func (r *capture) writeKind(ctx context.Context, documents *document.Writer, captured *CapturedNamespace, k kind) error {
	whole, err := r.each(ctx, captured.Name, k, func(u *unstructured.Unstructured) error { return r.writeObject(documents, captured, u) })
	if whole {
		r.objects.complete(k)
	}
	return err
}

// each calls fn with every object of a kind in a part that is captured, as the server
// has it. It reports whether these are all there are: some kinds are done without.
func (r *capture) each(ctx context.Context, part string, k kind, fn func(*unstructured.Unstructured) error) (whole bool, err error) {
	namespace := namespaceOf(part)
	history, err := r.session.helmHistory(ctx, k, namespace, *r.settings.Exclude.HelmHistory)
	if err != nil {
		return false, err
	}
	l, begun := listing{kind: k, namespace: namespace, selector: r.settings.LabelSelector}, false
	err = r.session.listAhead(ctx, l, func(u *unstructured.Unstructured) error {
		begun = true
		if r.leavesOut(u) || history.tooOld(u) {
			return nil
		}
		return fn(u)
	})
	if !begun && r.mayDoWithout(k, err) {
		return false, nil
	}
	return err == nil, err
}

// mayDoWithout reports whether a kind that cannot be listed is no more, or does not
// answer, and is none that somebody has named or that Kubernetes itself serves.
func (r *capture) mayDoWithout(k kind, err error) bool {
	if r.chosen.named[k.GroupKind()] || isBuiltIn(k.Group) {
		return false
	}
	if answered(err, metav1.StatusReasonNotFound) {
		return true // its definition has been removed meanwhile
	}
	broken := isBroken(err)
	if broken && !slices.Contains(r.chosen.broken, k.Group) {
		r.chosen.broken = append(r.chosen.broken, k.Group)
	}
	return broken
}

// leavesOut reports whether an object is not captured.
func (r *capture) leavesOut(u *unstructured.Unstructured) bool {
	return r.excluded(u) || r.chosen.leavesOut(u) || len(r.settings.Names) > 0 && !matchesAny(r.settings.Names, u.GetName())
}

// describe returns the Namespace object that opens a file, so that kubectl can
// apply the file to an empty cluster.
func (r *capture) describe(ctx context.Context, name string) (*unstructured.Unstructured, error) {
	if slices.Contains(r.unseen, name) {
		return bareNamespace(name), nil
	}
	u, err := r.session.namespace(ctx, name)
	if err != nil {
		return nil, err
	}
	if u == nil {
		// Deleted since it was chosen; its objects are gone or going too.
		return bareNamespace(name), nil
	}
	stripNamespace(u)
	return u, nil
}

func (r *capture) writeObject(documents *document.Writer, captured *CapturedNamespace, u *unstructured.Unstructured) error {
	if owners := u.GetOwnerReferences(); len(owners) > 0 {
		captured.Owned++
		if err := r.draft.Detail(ownedDetail(captured.Name, u, owners)); err != nil {
			return err
		}
	}
	if operator := operatorOf(u); operator != "" {
		captured.Managed++
		if err := r.draft.Detail(managedDetail(captured.Name, u, operator)); err != nil {
			return err
		}
	}
	owners := fields.OwnersOf(u)
	strip(u)
	digest, err := r.digests.digest(u, captured.Name)
	if err != nil {
		return err
	}
	if err := r.objects.add(u, digest, owners); err != nil {
		return err
	}
	if err := documents.Write(u); err != nil {
		return err
	}
	captured.Digest.Add(digest)
	captured.Objects++
	captured.Kinds[u.GroupVersionKind().GroupKind().String()]++
	r.shown.Add(1)
	return nil
}

// owned is a line of the point's sealed details.
type owned struct {
	Code      string   `json:"code"`
	Namespace string   `json:"namespace"`
	Object    string   `json:"object"`
	Owners    []string `json:"owners"` // Kind/name
}

func ownedDetail(namespace string, u *unstructured.Unstructured, owners []metav1.OwnerReference) owned {
	detail := owned{Code: "kubernetes.owned", Namespace: namespace, Object: keyOf(u).String()}
	for _, owner := range owners {
		detail.Owners = append(detail.Owners, owner.Kind+"/"+owner.Name)
	}
	return detail
}
