package kube

import (
	"bytes"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/openim-dr/openim-dr/internal/seal"
)

// digestVersion changes when the canonical form of an object does; digests of
// different versions cannot be compared.
const digestVersion = 2

// digestVersions are those that a restore understands. Version 1 had no field
// stripped that belongs to a kind; Secrets and ConfigMaps are the same in both.
var digestVersions = []int{1, digestVersion}

// key names an object within its namespace, whatever version it is read in.
type key struct {
	schema.GroupKind
	name string
}

func keyOf(u *unstructured.Unstructured) key {
	return key{GroupKind: u.GroupVersionKind().GroupKind(), name: u.GetName()}
}

// String is Kind/name, with the group where it is not the core one.
func (k key) String() string { return k.GroupKind.String() + "/" + k.name }

// serverFields are the metadata that the server sets, and the references to
// owners by uid that would get a restored object deleted as garbage.
var serverFields = [...]string{
	"uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp",
	"deletionGracePeriodSeconds", "managedFields", "selfLink", "ownerReferences",
}

// controllerAnnotations are a cluster's own counts of an object's changes, which
// begin anew in another one.
var controllerAnnotations = []string{"deployment.kubernetes.io/revision", "deprecated.daemonset.template.generation"}

// strip leaves the canonical form of u: what a person or a program wrote.
func strip(u *unstructured.Unstructured) {
	stripAllocated(u)
	delete(u.Object, "status")
	metadata, ok := u.Object["metadata"].(map[string]any)
	if !ok {
		return
	}
	for _, field := range serverFields {
		delete(metadata, field)
	}
	removeAnnotations(u, controllerAnnotations)
	unhold(u)
}

func removeAnnotations(u *unstructured.Unstructured, names []string) {
	for _, name := range names {
		unstructured.RemoveNestedField(u.Object, "metadata", "annotations", name)
	}
	if len(u.GetAnnotations()) == 0 { // an object without annotations has no empty map of them
		unstructured.RemoveNestedField(u.Object, "metadata", "annotations")
	}
}

// stripNamespace leaves of a Namespace what another cluster can be given.
func stripNamespace(u *unstructured.Unstructured) {
	strip(u)
	delete(u.Object, "spec") // holds the server's own finalizer and nothing else
	// The server sets this label itself, to the namespace's name.
	unstructured.RemoveNestedField(u.Object, "metadata", "labels", "kubernetes.io/metadata.name")
	if len(u.GetLabels()) == 0 {
		unstructured.RemoveNestedField(u.Object, "metadata", "labels")
	}
}

// bareNamespace is a Namespace of which only the name is known.
func bareNamespace(name string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name},
	}}
}

// digester digests objects in canonical form. It is not safe for concurrent
// use.
type digester struct {
	hasher *seal.Hasher
	text   bytes.Buffer
}

func newDigester(key seal.DigestKey) *digester { return &digester{hasher: seal.NewHasher(key)} }

// digest returns the keyed digest of a stripped object as if it lived in a part:
// its JSON without spaces, keys sorted bytewise.
func (d *digester) digest(u *unstructured.Unstructured, part string) (seal.Digest, error) {
	u.SetNamespace(namespaceOf(part))
	d.text.Reset()
	encoder := json.NewEncoder(&d.text)
	encoder.SetEscapeHTML(false) // the form must not depend on a habit of Go's
	if err := encoder.Encode(u.Object); err != nil {
		return seal.Digest{}, fmt.Errorf("encode %s: %w", keyOf(u), err)
	}
	d.hasher.Reset()
	if _, err := d.hasher.Write(bytes.TrimSuffix(d.text.Bytes(), []byte("\n"))); err != nil {
		return seal.Digest{}, err
	}
	return d.hasher.Sum(), nil
}
