package kube

import (
	"context"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// examinedKinds are what doctor reads in namespaces beyond what is captured. A Job is
// over some day, and so is none of them.
var examinedKinds = []kind{deploymentKind, statefulSetKind, daemonSetKind, cronJobKind, podKind, claimKind}

var (
	daemonSetKind = kind{schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "DaemonSet"}, "daemonsets", true}
	cronJobKind   = kind{schema.GroupVersionKind{Group: "batch", Version: "v1", Kind: "CronJob"}, "cronjobs", true}
)

// Deployed is what runs in the namespaces of a source, so far as it may be seen.
type Deployed struct {
	Workloads []Running
	Claims    []Claim
	Snappable []string // drivers for which there is a VolumeSnapshotClass
	Unread    []string // rights that are lacking, in words
	volumes   bool     // PersistentVolumes and classes could be read
}

// Running is a workload, or a Pod that belongs to none.
type Running struct {
	Workload
	Labels   map[string]string // of its pods
	Images   []string
	Words    []string // of the commands of its containers; what they hold may be secret
	Volumes  []Volume
	Keeper   string // who would overwrite it: a program, or the kind of its owner
	Captured bool   // by the settings of the source
	resource string // as the API names its kind
}

// Volume is one of a pod's.
type Volume struct {
	Name string
	On   string // hostPath, emptyDir, ephemeral, claim, or empty for what holds no data
}

// Claim is a PersistentVolumeClaim that has its volume.
type Claim struct {
	Namespace, Name string
	Driver          string // empty where the volume is none of a CSI driver
	Known           bool   // the volume was seen
}

// Deployed lists workloads and volumes. Objects are let go one by one: what is kept
// of each is a few names.
func (c *Cluster) Deployed(ctx context.Context) (*Deployed, error) {
	s, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	namespaces, _, err := s.chosen(ctx, c.settings)
	if err != nil {
		return nil, err
	}
	d := &Deployed{volumes: true}
	bound := map[string]*Claim{} // by the name of their volume
	for _, namespace := range namespaces {
		for _, k := range examinedKinds {
			err := d.read(ctx, s, listing{kind: k, namespace: namespace}, func(u *unstructured.Unstructured) {
				volume, _, _ := unstructured.NestedString(u.Object, "spec", "volumeName")
				switch {
				case k == claimKind && volume != "":
					bound[volume] = &Claim{Namespace: namespace, Name: u.GetName()}
				case k == claimKind, k == podKind && metav1.GetControllerOfNoCopy(u) != nil:
				default:
					r := runningOf(s, k, u)
					r.Captured = c.captures(k, u)
					d.Workloads = append(d.Workloads, r)
				}
			})
			if err != nil {
				return nil, err
			}
		}
	}
	if err := d.readVolumes(ctx, s, bound); err != nil {
		return nil, err
	}
	return d, nil
}

// read lists one kind. What may not be read is said; what is not served is not there.
func (d *Deployed) read(ctx context.Context, s *session, l listing, fn func(*unstructured.Unstructured)) error {
	workloads, snappable := len(d.Workloads), len(d.Snappable)
	err := repeatable(func() error {
		d.Workloads, d.Snappable = d.Workloads[:workloads], d.Snappable[:snappable]
		return s.list(ctx, l, func(u *unstructured.Unstructured) error { fn(u); return nil })
	})
	switch {
	case answered(err, metav1.StatusReasonForbidden):
		d.Unread = append(d.Unread, l.call().right())
		d.volumes = d.volumes && l.namespace != ""
		return nil
	case answered(err, metav1.StatusReasonNotFound):
		return nil
	}
	return err
}

func (d *Deployed) readVolumes(ctx context.Context, s *session, bound map[string]*Claim) error {
	err := d.read(ctx, s, listing{kind: volumeKind}, func(u *unstructured.Unstructured) {
		if claim := bound[u.GetName()]; claim != nil {
			claim.Driver, _, _ = unstructured.NestedString(u.Object, "spec", "csi", "driver")
			claim.Known = true
		}
	})
	if err != nil {
		return err
	}
	err = d.read(ctx, s, listing{kind: snapshotClassKind}, func(u *unstructured.Unstructured) {
		driver, _, _ := unstructured.NestedString(u.Object, "driver")
		d.Snappable = append(d.Snappable, driver)
	})
	for _, claim := range bound {
		d.Claims = append(d.Claims, *claim)
	}
	slices.SortFunc(d.Claims, func(a, b Claim) int { return compareNames(a.Namespace, b.Namespace, a.Name, b.Name) })
	return err
}

// runningOf keeps of a workload what doctor judges. A pod template that cannot be read
// has no images and no volumes.
func runningOf(s *session, k kind, u *unstructured.Unstructured) Running {
	w := newWorkload(s, k, u)
	r := Running{Workload: w.described(), Keeper: keeperOf(u), resource: k.rbac()}
	field := u.Object // of a Pod
	switch k {
	case podKind:
	case cronJobKind:
		field, _, _ = unstructured.NestedMap(u.Object, "spec", "jobTemplate", "spec", "template")
	default:
		field, _, _ = unstructured.NestedMap(u.Object, "spec", "template")
	}
	var template corev1.PodTemplateSpec
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(field, &template); err != nil {
		return r
	}
	r.Labels = template.Labels
	for _, c := range slices.Concat(template.Spec.InitContainers, template.Spec.Containers) {
		r.Images = append(r.Images, c.Image)
		for _, text := range slices.Concat(c.Command, c.Args) {
			r.Words = append(r.Words, strings.Fields(text)...)
		}
	}
	for _, v := range template.Spec.Volumes {
		r.Volumes = append(r.Volumes, Volume{v.Name, standsOn(v)})
	}
	claims, _, _ := unstructured.NestedSlice(u.Object, "spec", "volumeClaimTemplates")
	for _, claim := range claims {
		fields, _ := claim.(map[string]any)
		name, _, _ := unstructured.NestedString(fields, "metadata", "name")
		r.Volumes = append(r.Volumes, Volume{name, "claim"})
	}
	return r
}

func standsOn(v corev1.Volume) string {
	switch {
	case v.HostPath != nil:
		return "hostPath"
	case v.EmptyDir != nil:
		return "emptyDir"
	case v.Ephemeral != nil: // its claim goes with the pod
		return "ephemeral"
	case v.PersistentVolumeClaim != nil:
		return "claim"
	}
	return ""
}

// captures reports whether the settings of the source have an object captured.
func (c *Cluster) captures(k kind, u *unstructured.Unstructured) bool {
	chosen := func(name string) bool {
		return strings.EqualFold(name, k.rbac()) || matchesAny([]string{name}, k.rbac())
	}
	selector, err := labels.Parse(c.settings.LabelSelector)
	return err == nil && selector.Matches(labels.Set(u.GetLabels())) &&
		slices.ContainsFunc(c.settings.Kinds, chosen) && !slices.ContainsFunc(c.settings.Exclude.Kinds, chosen) &&
		(len(c.settings.Names) == 0 || matchesAny(c.settings.Names, u.GetName())) && !c.excluded(u)
}

// keeperOf names who brings an object back as it is described elsewhere.
func keeperOf(u *unstructured.Unstructured) string {
	labels, annotations := u.GetLabels(), u.GetAnnotations()
	for _, k := range keepers {
		for _, mark := range k.marks {
			if labels[mark] != "" || annotations[mark] != "" {
				return k.name
			}
		}
	}
	if owner := metav1.GetControllerOfNoCopy(u); owner != nil {
		return owner.Kind
	}
	return ""
}
