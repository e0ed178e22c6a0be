package kube

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// omission is why objects of a kind are left out of a point.
type omission struct {
	why  string
	when func(*unstructured.Unstructured) bool // nil: all of them
}

// whole reports whether nothing of the kind is captured.
func (o omission) whole() bool { return o.why != "" && o.when == nil }

func (o omission) of(u *unstructured.Unstructured) bool {
	return o.why != "" && (o.when == nil || o.when(u))
}

// remade are kinds, written Kind.group, that a cluster makes anew out of others, or
// that mean nothing in another one. A pattern does not mean them; whoever names the
// kind gets all of it.
var remade = map[string]omission{
	"Event":                                                   {why: "the cluster's log"},
	"Event.events.k8s.io":                                     {why: "the cluster's log"},
	"Node":                                                    {why: "machines, which register themselves"},
	"CSINode.storage.k8s.io":                                  {why: "machines, which register themselves"},
	"Lease.coordination.k8s.io":                               {why: "who leads, and who is alive, at this moment"},
	"LeaseCandidate.coordination.k8s.io":                      {why: "who leads, and who is alive, at this moment"},
	"ControllerRevision.apps":                                 {why: "history that its controller writes"},
	"Pod":                                                     {why: "made by its controller, or ended: it would run again", when: func(u *unstructured.Unstructured) bool { return hasController(u) || ended(u) }},
	"ReplicaSet.apps":                                         {why: "made by its controller", when: hasController},
	"Job.batch":                                               {why: "made by its controller, or ended: it would run again", when: func(u *unstructured.Unstructured) bool { return hasController(u) || finished(u) }},
	"Endpoints":                                               {why: "made from a Service", when: madeFromService},
	"EndpointSlice.discovery.k8s.io":                          {why: "made from a Service", when: madeFromService},
	"IPAddress.networking.k8s.io":                             {why: "addresses that the server gave out"},
	"PersistentVolume":                                        {why: "made for a claim by a provisioner", when: provisioned},
	"VolumeAttachment.storage.k8s.io":                         {why: "which disk is at which machine"},
	"CSIStorageCapacity.storage.k8s.io":                       {why: "measured by a driver"},
	"ResourceSlice.resource.k8s.io":                           {why: "devices of machines"},
	"ResourceClaim.resource.k8s.io":                           {why: "made for a pod", when: hasController},
	"CertificateSigningRequest.certificates.k8s.io":           {why: "requests, which are answered and end"},
	"APIService.apiregistration.k8s.io":                       {why: "who serves an API: until that runs, nothing of the group answers"},
	"StorageVersion.internal.apiserver.k8s.io":                {why: "the API servers' own notes"},
	"StorageVersionMigration.storagemigration.k8s.io":         {why: "work that is done once"},
	"VolumeSnapshot.snapshot.storage.k8s.io":                  {why: "snapshots of this cluster's disks"},
	"VolumeSnapshotContent.snapshot.storage.k8s.io":           {why: "snapshots of this cluster's disks: the last reference that goes may delete one"},
	"VolumeGroupSnapshot.groupsnapshot.storage.k8s.io":        {why: "snapshots of this cluster's disks"},
	"VolumeGroupSnapshotContent.groupsnapshot.storage.k8s.io": {why: "snapshots of this cluster's disks: the last reference that goes may delete one"},
	"CertificateRequest.cert-manager.io":                      {why: "made for a Certificate, and ended"},
	"Order.acme.cert-manager.io":                              {why: "made for a Certificate, and ended"},
	"Challenge.acme.cert-manager.io":                          {why: "made for a Certificate, and ended"},
}

// native are objects that every cluster makes for itself, each in its own version.
// They are in no point, whoever asks for their kind.
var native = map[string]omission{
	"ClusterRole.rbac.authorization.k8s.io":                   {why: "the API server's own roles", when: bootstrapped},
	"ClusterRoleBinding.rbac.authorization.k8s.io":            {why: "the API server's own roles", when: bootstrapped},
	"Role.rbac.authorization.k8s.io":                          {why: "the API server's own roles", when: bootstrapped},
	"RoleBinding.rbac.authorization.k8s.io":                   {why: "the API server's own roles", when: bootstrapped},
	"PriorityClass.scheduling.k8s.io":                         {why: "the scheduler's own classes", when: calledOneOf("system-cluster-critical", "system-node-critical")},
	"FlowSchema.flowcontrol.apiserver.k8s.io":                 {why: "kept up to date by the API server", when: autoUpdated},
	"PriorityLevelConfiguration.flowcontrol.apiserver.k8s.io": {why: "kept up to date by the API server", when: autoUpdated},
	"APIService.apiregistration.k8s.io":                       {why: "made for the API server's own groups and for definitions", when: automanaged},
	"ServiceCIDR.networking.k8s.io":                           {why: "the addresses of this cluster", when: calledOneOf("kubernetes")},
	"Service":                                                 {why: "the API server itself", when: ofAPIServer},
	"Endpoints":                                               {why: "the API server itself", when: ofAPIServer},
	"EndpointSlice.discovery.k8s.io":                          {why: "the API server itself", when: ofAPIServer},
	"ServiceAccount":                                          {why: "every namespace has one", when: bareDefaultAccount},
}

func calledOneOf(names ...string) func(*unstructured.Unstructured) bool {
	return func(u *unstructured.Unstructured) bool { return slices.Contains(names, u.GetName()) }
}

func ofAPIServer(u *unstructured.Unstructured) bool {
	return u.GetNamespace() == metav1.NamespaceDefault && u.GetName() == "kubernetes"
}

func bootstrapped(u *unstructured.Unstructured) bool {
	return u.GetLabels()["kubernetes.io/bootstrapping"] != "" || strings.HasPrefix(u.GetName(), "system:")
}

func autoUpdated(u *unstructured.Unstructured) bool {
	return u.GetAnnotations()["apf.kubernetes.io/autoupdate-spec"] == "true"
}

func automanaged(u *unstructured.Unstructured) bool {
	return u.GetLabels()["kube-aggregator.kubernetes.io/automanaged"] != ""
}

// bareDefaultAccount is the ServiceAccount that a controller makes in every
// namespace, with nothing added by anybody.
func bareDefaultAccount(u *unstructured.Unstructured) bool {
	if u.GetName() != "default" || len(u.GetLabels())+len(u.GetAnnotations()) > 0 {
		return false
	}
	for field := range u.Object {
		if !slices.Contains([]string{"apiVersion", "kind", "metadata", "secrets"}, field) {
			return false
		}
	}
	return true
}

func hasController(u *unstructured.Unstructured) bool { return metav1.GetControllerOfNoCopy(u) != nil }

// finished reports whether a Job has ended.
func finished(u *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	return slices.ContainsFunc(conditions, func(c any) bool {
		fields, _ := c.(map[string]any)
		return (fields["type"] == "Complete" || fields["type"] == "Failed") && fields["status"] == "True"
	})
}

// provisioned tells volumes that belong to a claim from those that somebody has
// described: the claim is captured, and gets another volume.
func provisioned(u *unstructured.Unstructured) bool {
	return u.GetAnnotations()["pv.kubernetes.io/provisioned-by"] != ""
}

// madeFromService tells what controllers write of a Service's pods from what
// somebody has written for a Service without a selector.
func madeFromService(u *unstructured.Unstructured) bool {
	labels, annotations := u.GetLabels(), u.GetAnnotations()
	if labels["endpoints.kubernetes.io/managed-by"] != "" || annotations["endpoints.kubernetes.io/last-change-trigger-time"] != "" {
		return true
	}
	if strings.HasPrefix(labels["endpointslice.kubernetes.io/managed-by"], "endpointslice") || annotations["control-plane.alpha.kubernetes.io/leader"] != "" {
		return true
	}
	return slices.ContainsFunc(u.GetManagedFields(), func(f metav1.ManagedFieldsEntry) bool { return f.Manager == "kube-controller-manager" })
}

// isNative reports whether every cluster makes such an object for itself.
func isNative(u *unstructured.Unstructured) bool {
	return native[u.GroupVersionKind().GroupKind().String()].of(u)
}

// leavesOut reports whether an object is of no use in a point: of a kind that was
// asked for by name, only what every cluster makes for itself.
func (c *choice) leavesOut(u *unstructured.Unstructured) bool {
	gk := u.GroupVersionKind().GroupKind()
	return isNative(u) || !c.named[gk] && remade[gk.String()].of(u)
}
