package kube

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// field is the path of one in an object.
type field []string

// allocated are fields, by Kind.group, that the server or a controller fills with
// what only this object in this cluster can have.
var allocated = map[string][]field{
	"Service":               {{"spec", "clusterIP"}, {"spec", "clusterIPs"}, {"spec", "healthCheckNodePort"}, {"spec", "ipFamilies"}, {"spec", "ipFamilyPolicy"}},
	"ServiceAccount":        {{"secrets"}}, // names of tokens
	"PersistentVolumeClaim": {{"spec", "volumeName"}},
	"PersistentVolume":      {{"spec", "claimRef", "uid"}, {"spec", "claimRef", "resourceVersion"}},
	"Pod":                   {{"spec", "nodeName"}},
	"Job.batch":             {{"spec", "selector"}},
	// Filled from the roles that it aggregates.
	"ClusterRole.rbac.authorization.k8s.io": {{"rules"}},
}

// allocatedNotes are annotations of the same sort.
var allocatedNotes = map[string][]string{
	"PersistentVolumeClaim": {
		"pv.kubernetes.io/bind-completed", "pv.kubernetes.io/bound-by-controller", "volume.kubernetes.io/selected-node",
		"volume.kubernetes.io/storage-provisioner", "volume.beta.kubernetes.io/storage-provisioner",
	},
	"PersistentVolume": {"pv.kubernetes.io/bound-by-controller"},
}

// jobLabels tell one Job's pods from all others.
var jobLabels = []string{"controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"}

// allocatedOf returns the fields that an object of this very content was given.
func allocatedOf(u *unstructured.Unstructured) []field {
	kind := u.GroupVersionKind().GroupKind().String()
	fields := allocated[kind]
	switch kind {
	case "Service":
		return slices.DeleteFunc(slices.Clone(fields), func(f field) bool { return keepsOfService(u, f) })
	case "Job.batch":
		if manual, _, _ := unstructured.NestedBool(u.Object, "spec", "manualSelector"); manual {
			return nil
		}
		for _, label := range jobLabels {
			fields = append(fields[:len(fields):len(fields)], field{"metadata", "labels", label}, field{"spec", "template", "metadata", "labels", label})
		}
	case "ClusterRole.rbac.authorization.k8s.io":
		if _, aggregates := u.Object["aggregationRule"]; !aggregates {
			return nil
		}
	}
	return fields
}

// keepsOfService reports whether a Service's field is the user's: to have no
// address at all is, and so are families and a port that somebody has asked for.
func keepsOfService(u *unstructured.Unstructured, f field) bool {
	switch f[1] {
	case "clusterIP", "clusterIPs":
		return isHeadless(u)
	default:
		return isAskedFor(u, f...)
	}
}

func isHeadless(u *unstructured.Unstructured) bool {
	address, _, _ := unstructured.NestedString(u.Object, "spec", "clusterIP")
	return address == "None"
}

// isAskedFor reports whether somebody has set a field: what the server allocates is
// in no manager's name. An object that does not say whose its fields are, as one in
// a point, has been asked for as it is.
func isAskedFor(u *unstructured.Unstructured, path ...string) bool {
	entries, said, _ := unstructured.NestedSlice(u.Object, "metadata", "managedFields")
	if !said {
		return true
	}
	for _, entry := range entries {
		fields, _ := entry.(map[string]any)
		at, _ := fields["fieldsV1"].(map[string]any)
		for _, name := range path {
			if name[0] != 'k' || name[1] != ':' {
				name = "f:" + name
			}
			at, _ = at[name].(map[string]any)
		}
		if at != nil {
			return true
		}
	}
	return false
}

// stripAllocated leaves what another cluster can be given, too. It wants the
// object as the server has it.
func stripAllocated(u *unstructured.Unstructured) {
	stripPorts(u)
	for _, f := range allocatedOf(u) {
		unstructured.RemoveNestedField(u.Object, f...)
		removeEmpty(u, f[:len(f)-1])
	}
	removeAnnotations(u, allocatedNotes[u.GroupVersionKind().GroupKind().String()])
}

// removeEmpty removes a map of labels that has none left.
func removeEmpty(u *unstructured.Unstructured, path field) {
	if len(path) == 0 || path[len(path)-1] != "labels" {
		return
	}
	if left, found, _ := unstructured.NestedMap(u.Object, path...); found && len(left) == 0 {
		unstructured.RemoveNestedField(u.Object, path...)
	}
}

// stripPorts removes the node ports that the server chose.
func stripPorts(u *unstructured.Unstructured) {
	for _, port := range servicePorts(u) {
		if !isAskedFor(u, "spec", "ports", portKey(port), "nodePort") {
			delete(port, "nodePort")
		}
	}
}

// servicePorts are the ports of a Service, to be changed in place.
func servicePorts(u *unstructured.Unstructured) []map[string]any {
	if u.GetAPIVersion() != "v1" || u.GetKind() != "Service" {
		return nil
	}
	spec, _ := u.Object["spec"].(map[string]any)
	list, _ := spec["ports"].([]any)
	var ports []map[string]any
	for _, p := range list {
		if port, ok := p.(map[string]any); ok {
			ports = append(ports, port)
		}
	}
	return ports
}

// portKey is how the names of managers tell a Service's ports apart.
func portKey(port map[string]any) string {
	return fmt.Sprintf(`k:{"port":%v,"protocol":"%v"}`, port["port"], port["protocol"])
}

// keepAllocated lets an object that is about to be overwritten keep what it was
// given: a claim its volume, a Service its address.
func keepAllocated(wanted, live *unstructured.Unstructured) {
	kind := live.GroupVersionKind().GroupKind().String()
	if kind == "PersistentVolume" && claimOf(wanted) != claimOf(live) {
		return
	}
	for _, f := range allocatedOf(live) {
		value, found, err := unstructured.NestedFieldCopy(live.Object, f...)
		if _, given, _ := unstructured.NestedFieldNoCopy(wanted.Object, f...); found && !given && err == nil && mayKeep(wanted, f) {
			// It fails only where what should hold the field is no mapping.
			_ = unstructured.SetNestedField(wanted.Object, value, f...)
		}
	}
	annotations := wanted.GetAnnotations()
	for _, name := range allocatedNotes[kind] {
		if value, noted := live.GetAnnotations()[name]; noted {
			if annotations == nil {
				annotations = map[string]string{}
			}
			annotations[name] = value
		}
	}
	if len(annotations) > 0 {
		wanted.SetAnnotations(annotations)
	}
}

// mayKeep reports whether an object may have a field that its kind may have. Of
// ports of a Service the server sees to it itself.
func mayKeep(wanted *unstructured.Unstructured, f field) bool {
	if wanted.GetKind() != "Service" {
		return true
	}
	kind, _, _ := unstructured.NestedString(wanted.Object, "spec", "type")
	return kind != "ExternalName" && f[1] != "healthCheckNodePort"
}

func claimOf(u *unstructured.Unstructured) string {
	namespace, _, _ := unstructured.NestedString(u.Object, "spec", "claimRef", "namespace")
	name, _, _ := unstructured.NestedString(u.Object, "spec", "claimRef", "name")
	return namespace + "/" + name
}
