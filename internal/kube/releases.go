package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/klauspost/compress/s2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kubejson "k8s.io/apimachinery/pkg/util/json"

	"github.com/openim-dr/openim-dr/internal/kube/helm"
	"github.com/openim-dr/openim-dr/internal/repository"
)

// Codes of warnings in a manifest.
const (
	// warnReleaseUnreadable: a Secret of Helm's is no release, or its manifest is none.
	warnReleaseUnreadable = "kubernetes.release-unreadable"
	// warnReleaseUnsettled: the newest revision is not deployed, so that the objects
	// are partly of that one; nothing is compared with a manifest.
	warnReleaseUnsettled = "kubernetes.release-unsettled"
	// warnReleaseNotCompared: there is more in manifests than may be in memory.
	warnReleaseNotCompared = "kubernetes.release-not-compared"
)

// Where releases stand in a point, below the source: helm/<namespace>/<release>/….
const (
	helmDir      = "helm"
	valuesName   = "values.yaml"
	manifestName = "manifest.yaml"
)

// mostWanted bounds what is kept of manifests while a cluster is captured, in bytes
// and packed (invariant 7).
const mostWanted = 16 << 20

// releases reads the releases of Helm of a cluster, writes what is in them into the
// point, and keeps what their manifests say for the objects that follow.
type releases struct {
	session *session
	draft   *repository.SourceDraft
	kinds   []kind   // that are captured
	types   []string // of Secrets that the settings leave out
	// excluded reports whether the settings leave an object out.
	excluded func(*unstructured.Unstructured) bool

	record []CapturedRelease
	wanted map[string]map[key]*wanted // by namespace
	scaled map[string]map[key]bool    // by namespace: workloads that an autoscaler scales
	size   int64                      // of wanted, packed
}

// wanted is an object as the manifest of a release has it.
type wanted struct {
	release string
	packed  []byte // its JSON
}

// object unpacks it. Callers have one at a time in memory.
func (w *wanted) object() (map[string]any, error) {
	text, err := s2.Decode(nil, w.packed)
	if err != nil {
		return nil, err
	}
	var object map[string]any
	return object, kubejson.Unmarshal(text, &object)
}

// helmKinds are what releases are stored in, so far as they are captured at all.
func (r *releases) helmKinds() []kind {
	var stores []kind
	for _, k := range r.kinds {
		if k.rbac() == "secrets" && !slices.Contains(r.types, helm.SecretType) || k.rbac() == "configmaps" {
			stores = append(stores, k)
		}
	}
	return stores
}

// read reads the releases of a namespace. That the credentials do not allow it, the
// capture of the objects finds out for itself.
func (r *releases) read(ctx context.Context, namespace string) error {
	for _, store := range r.helmKinds() {
		newest, err := r.newest(ctx, store, namespace)
		if answered(err, metav1.StatusReasonForbidden) {
			continue
		}
		if err != nil {
			return err
		}
		for _, history := range newest {
			if err := r.release(ctx, store, namespace, history); err != nil {
				return fmt.Errorf("read Helm release %q in namespace %q: %w", history.name, namespace, err)
			}
		}
	}
	return nil
}

// history is which revisions there are of a release.
type history struct {
	name     string
	newest   int
	status   string // of the newest
	deployed int    // the newest that is deployed; 0: none is
}

// chosen is the revision that is captured.
func (h history) chosen() int {
	if h.deployed > 0 {
		return h.deployed
	}
	return h.newest
}

// newest finds out which releases there are by their labels alone: with all their
// revisions they may be large.
func (r *releases) newest(ctx context.Context, store kind, namespace string) ([]history, error) {
	found := map[string]history{}
	err := repeatable(func() error {
		clear(found)
		l := listing{kind: store, namespace: namespace, selector: helm.Selector, metadataOnly: true}
		return r.session.list(ctx, l, func(u *unstructured.Unstructured) error {
			name, revision := helm.RevisionOf(u)
			if revision <= 0 {
				return nil // of something else that calls its owner so
			}
			h, status := found[name], u.GetLabels()[helm.StatusLabel]
			h.name = name
			if revision > h.newest {
				h.newest, h.status = revision, status
			}
			if status == helm.Deployed {
				h.deployed = max(h.deployed, revision)
			}
			found[name] = h
			return nil
		})
	})
	var all []history
	for _, h := range found {
		if h.status != helm.Uninstalled && h.status != helm.Uninstalling {
			all = append(all, h)
		}
	}
	slices.SortFunc(all, func(a, b history) int { return strings.Compare(a.name, b.name) })
	return all, err
}

// release captures one release.
func (r *releases) release(ctx context.Context, store kind, namespace string, h history) error {
	read, err := r.fetch(ctx, store, namespace, h)
	if err != nil {
		return err
	}
	if read == nil {
		return r.unreadable(namespace, h.name)
	}
	if err := r.write(ctx, read); err != nil {
		return err
	}
	r.record = append(r.record, releaseRecord(read))
	if h.deployed != h.newest {
		r.draft.Warn(warnReleaseUnsettled, 1)
		return nil
	}
	return r.index(read)
}

// fetch reads the chosen revision of a release, or returns nil where it is none, or
// is gone since.
func (r *releases) fetch(ctx context.Context, store kind, namespace string, h history) (read *helm.Release, err error) {
	selector := fmt.Sprintf("%s,%s=%s,%s=%d", helm.Selector, helm.NameLabel, h.name, helm.VersionLabel, h.chosen())
	err = repeatable(func() error {
		read = nil
		return r.session.list(ctx, listing{kind: store, namespace: namespace, selector: selector}, func(u *unstructured.Unstructured) error {
			found, err := helm.Read(u)
			if err == nil && found.Name == h.name && found.Namespace == namespace && found.Revision == int64(h.chosen()) {
				read = found
			}
			return nil
		})
	})
	return read, err
}

func (r *releases) unreadable(namespace, name string) error {
	r.draft.Warn(warnReleaseUnreadable, 1)
	return r.draft.Detail(releaseDetail{Code: warnReleaseUnreadable, Namespace: namespace, Release: name})
}

// releaseDetail is a line of the point's sealed details.
type releaseDetail struct {
	Code      string `json:"code"`
	Namespace string `json:"namespace"`
	Release   string `json:"release"`
}

// write writes the files of a release.
func (r *releases) write(ctx context.Context, release *helm.Release) error {
	values, err := release.ValuesYAML()
	if err != nil {
		return err
	}
	if err := r.writeFile(ctx, release, valuesName, values); err != nil {
		return err
	}
	return r.writeFile(ctx, release, manifestName, []byte(release.Manifest))
}

func (r *releases) writeFile(ctx context.Context, release *helm.Release, name string, text []byte) error {
	file, err := r.draft.Create(ctx, name, helmDir, release.Namespace, release.Name)
	if err != nil {
		return err
	}
	defer file.Abort()
	if _, err := file.Write(text); err != nil {
		return err
	}
	return file.Commit()
}

// index keeps the objects of a release's manifest, so far as their kinds are
// captured.
func (r *releases) index(release *helm.Release) error {
	found := map[string]map[key]*wanted{}
	var size int64
	err := helm.EachObject(release.Manifest, func(u *unstructured.Unstructured) error {
		r.noteScaled(release, u)
		namespace, captured := r.placeOf(release, u)
		if !captured || r.excluded(u) {
			return nil
		}
		text, err := json.Marshal(u.Object)
		if err != nil {
			return err
		}
		packed := s2.Encode(nil, text)
		size += int64(len(packed))
		if found[namespace] == nil {
			found[namespace] = map[key]*wanted{}
		}
		found[namespace][keyOf(u)] = &wanted{release.Name, packed}
		return nil
	})
	if err != nil {
		return r.unreadable(release.Namespace, release.Name)
	}
	if r.size+size > mostWanted {
		r.draft.Warn(warnReleaseNotCompared, 1)
		return nil
	}
	r.size += size
	for namespace, objects := range found {
		if r.wanted[namespace] == nil {
			r.wanted[namespace] = map[key]*wanted{}
		}
		for k, w := range objects {
			r.wanted[namespace][k] = w
		}
	}
	return nil
}

// placeOf returns the namespace in which an object of a manifest is to be; empty where
// its kind has none.
func (r *releases) placeOf(release *helm.Release, u *unstructured.Unstructured) (namespace string, captured bool) {
	gvk := u.GroupVersionKind()
	i := slices.IndexFunc(r.kinds, func(k kind) bool { return k.GroupVersionKind == gvk })
	if i < 0 || !r.kinds[i].namespaced {
		return "", i >= 0
	}
	return namespaceIn(release, u), true
}

func namespaceIn(release *helm.Release, u *unstructured.Unstructured) string {
	if namespace := u.GetNamespace(); namespace != "" {
		return namespace
	}
	return release.Namespace
}

// noteScaled remembers what an autoscaler of a release scales.
func (r *releases) noteScaled(release *helm.Release, u *unstructured.Unstructured) {
	gk := u.GroupVersionKind().GroupKind()
	if gk != (schema.GroupKind{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}) && gk != (schema.GroupKind{Group: "keda.sh", Kind: "ScaledObject"}) {
		return
	}
	target, _, _ := unstructured.NestedMap(u.Object, "spec", "scaleTargetRef")
	version, _ := target["apiVersion"].(string)
	kindName, _ := target["kind"].(string)
	name, _ := target["name"].(string)
	gv, err := schema.ParseGroupVersion(version)
	if err != nil || version == "" {
		gv = deploymentKind.GroupVersion() // as KEDA has it
	}
	if kindName == "" {
		kindName = deploymentKind.Kind
	}
	namespace := namespaceIn(release, u)
	if r.scaled[namespace] == nil {
		r.scaled[namespace] = map[key]bool{}
	}
	r.scaled[namespace][key{schema.GroupKind{Group: gv.Group, Kind: kindName}, name}] = true
}
