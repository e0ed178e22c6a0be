package kube

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/seal"
)

// FormatVersion is the version of what Capture writes.
const FormatVersion = 1

// Captured is the record of a cluster in the manifest. It names namespaces and
// kinds, but no object.
type Captured struct {
	ServerVersion string              `json:"serverVersion"`
	DigestVersion int                 `json:"digestVersion"`
	Namespaces    []CapturedNamespace `json:"namespaces"`
}

// CapturedNamespace is what a point holds of one namespace.
type CapturedNamespace struct {
	Name    string           `json:"name"`
	Objects int64            `json:"objects"`
	Bytes   int64            `json:"bytes"` // of the YAML
	Kinds   map[string]int64 `json:"kinds"` // Kind or Kind.group -> objects
	// Owned counts the objects that had an owner; the reference is not kept.
	Owned int64 `json:"owned,omitempty"`
	// Digest is the sum of the keyed digests of all objects, the Namespace
	// itself not among them.
	Digest seal.Digest `json:"digest"`
}

// Codes of warnings in a manifest.
const warnNamespaceUnseen = "kubernetes.namespace-unseen"

// fileName is a namespace's file in a point.
func fileName(namespace string) string { return repository.FileName(namespace) + ".yaml" }

// capture is one run over the chosen namespaces.
type capture struct {
	*Cluster
	session *session
	kinds   []kind
	unseen  []string
	draft   *repository.SourceDraft
	digests *digester
	shown   progress.Task
}

// Capture writes every configured object, one file per namespace.
func (c *Cluster) Capture(ctx context.Context, draft *repository.SourceDraft, show progress.Reporter) error {
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	run := &capture{Cluster: c, session: s, draft: draft, digests: newDigester(draft.DigestKey())}
	if run.kinds, err = newCatalog(s).configured(ctx, c.settings.Kinds); err != nil {
		return err
	}
	namespaces, unseen, err := s.chosen(ctx, c.settings)
	if err != nil {
		return err
	}
	if run.unseen = unseen; len(unseen) > 0 {
		draft.Warn(warnNamespaceUnseen, int64(len(unseen)))
	}
	run.shown = show.Task(c.name, progress.Objects, 0)
	defer run.shown.Done()

	record := Captured{ServerVersion: s.version, DigestVersion: digestVersion}
	var sum repository.Summary
	for _, name := range namespaces {
		captured, err := run.namespace(ctx, name)
		if err != nil {
			return err
		}
		record.Namespaces = append(record.Namespaces, captured)
		sum.Documents += captured.Objects
		sum.Bytes += captured.Bytes
	}
	if err := draft.Captured(record); err != nil {
		return err
	}
	draft.Summarize(sum)
	return nil
}

// namespace captures one namespace, and begins its file again where the
// server lost the state that was being listed.
func (r *capture) namespace(ctx context.Context, name string) (captured CapturedNamespace, err error) {
	err = repeatable(func() error {
		captured = CapturedNamespace{Name: name, Kinds: map[string]int64{}}
		return r.writeNamespace(ctx, &captured)
	})
	if err != nil {
		return captured, fmt.Errorf("capture namespace %q: %w", name, err)
	}
	return captured, nil
}

func (r *capture) writeNamespace(ctx context.Context, captured *CapturedNamespace) error {
	file, err := r.draft.Create(ctx, fileName(captured.Name))
	if err != nil {
		return err
	}
	defer file.Abort()
	documents := &documentWriter{w: file}
	namespace, err := r.describe(ctx, captured.Name)
	if err != nil {
		return err
	}
	if err := documents.write(namespace); err != nil {
		return err
	}
	for _, k := range r.kinds {
		l := listing{kind: k, namespace: captured.Name, selector: r.settings.LabelSelector}
		err := r.session.list(ctx, l, func(u *unstructured.Unstructured) error {
			return r.writeObject(ctx, documents, captured, u)
		})
		if err != nil {
			return err
		}
	}
	captured.Bytes = documents.written
	return file.Commit()
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

func (r *capture) writeObject(ctx context.Context, documents *documentWriter, captured *CapturedNamespace, u *unstructured.Unstructured) error {
	if r.excluded(u) {
		return nil
	}
	if owners := u.GetOwnerReferences(); len(owners) > 0 {
		captured.Owned++
		if err := r.draft.Detail(ownedDetail(captured.Name, u, owners)); err != nil {
			return err
		}
	}
	strip(u)
	digest, err := r.digests.digest(u, captured.Name)
	if err != nil {
		return err
	}
	if err := documents.write(u); err != nil {
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
