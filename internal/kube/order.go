package kube

import (
	"cmp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// rank is when a restore brings a kind back. Everything of one rank is there, in
// all namespaces, before the next begins. A file has its objects in the same order,
// so that kubectl takes them in it too.
type rank int

const (
	definitions rank = iota // of other kinds
	foundations             // what pods and roles refer to
	basics                  // what pods mount
	workloads               // and all else
	customs                 // what the definitions have defined
	guards                  // what may refuse, change or limit what is written
)

var ranks = []rank{definitions, foundations, basics, workloads, customs, guards}

// ranked are the kinds, written Kind.group, whose rank is not that of all others.
var ranked = map[string]rank{
	"CustomResourceDefinition.apiextensions.k8s.io": definitions,

	// A role must be there before it is bound: the server looks what it grants.
	"Role.rbac.authorization.k8s.io":        foundations,
	"ClusterRole.rbac.authorization.k8s.io": foundations,
	// Without its account the server removes a token, and refuses a pod.
	"ServiceAccount":                       foundations,
	"PriorityClass.scheduling.k8s.io":      foundations,
	"RuntimeClass.node.k8s.io":             foundations,
	"StorageClass.storage.k8s.io":          foundations,
	"VolumeAttributesClass.storage.k8s.io": foundations,
	"CSIDriver.storage.k8s.io":             foundations,
	"IngressClass.networking.k8s.io":       foundations,
	"PersistentVolume":                     foundations, // before a provisioner sees its claim

	"Secret":                basics,
	"ConfigMap":             basics,
	"PersistentVolumeClaim": basics,

	"LimitRange":    guards,
	"ResourceQuota": guards,
	"MutatingWebhookConfiguration.admissionregistration.k8s.io":     guards,
	"ValidatingWebhookConfiguration.admissionregistration.k8s.io":   guards,
	"MutatingAdmissionPolicy.admissionregistration.k8s.io":          guards,
	"MutatingAdmissionPolicyBinding.admissionregistration.k8s.io":   guards,
	"ValidatingAdmissionPolicy.admissionregistration.k8s.io":        guards,
	"ValidatingAdmissionPolicyBinding.admissionregistration.k8s.io": guards,
	"APIService.apiregistration.k8s.io":                             guards,
}

func rankOf(gk schema.GroupKind) rank {
	if r, ok := ranked[gk.String()]; ok {
		return r
	}
	if isBuiltIn(gk.Group) {
		return workloads
	}
	return customs
}

// isBuiltIn reports whether Kubernetes itself serves a group.
func isBuiltIn(group string) bool {
	return group == definitionKind.Group || group == "apiregistration.k8s.io" || builtIn.IsGroupRegistered(group)
}

// sortKinds gives kinds the order in which they are captured and restored. It does
// not depend on that in the configuration.
func sortKinds(kinds []kind) {
	slices.SortFunc(kinds, func(a, b kind) int {
		return cmp.Or(cmp.Compare(rankOf(a.GroupKind()), rankOf(b.GroupKind())), strings.Compare(a.GroupKind().String(), b.GroupKind().String()))
	})
}
