package kube

import "fmt"

// clusterPart stands for a namespace's name where objects belong to none. No
// namespace can be called so: their names hold no underscore.
const clusterPart = "_cluster"

// parts are all that a point holds of a cluster, what belongs to no namespace first.
func (c Captured) parts() []CapturedNamespace {
	if c.Cluster == nil {
		return c.Namespaces
	}
	return append([]CapturedNamespace{*c.Cluster}, c.Namespaces...)
}

// namespaceOf is where the objects of a part live; empty for those of the cluster.
func namespaceOf(part string) string {
	if part == clusterPart {
		return ""
	}
	return part
}

// partOf is the part that a namespace is.
func partOf(namespace string) string {
	if namespace == "" {
		return clusterPart
	}
	return namespace
}

// scope narrows settings to what a restore will overwrite, see Only.
type scope struct {
	withoutCluster, onlyCluster bool
}

func (s scope) leavesOut(k kind) bool {
	return k.namespaced && s.onlyCluster || !k.namespaced && s.withoutCluster
}

// describePart names a part in messages.
func describePart(part string) string {
	if part == clusterPart {
		return "what belongs to no namespace"
	}
	return fmt.Sprintf("namespace %q", part)
}
