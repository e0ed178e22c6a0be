package kube

import (
	"context"
	"fmt"
	"os/exec"
	"strings"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/openim-dr/openim-dr/internal/source"
)

// Checks of volumes.
const (
	checkVolumesServed = "kubernetes.volumes.served"
	checkVolumesClaims = "kubernetes.volumes.claims"
	checkVolumesClass  = "kubernetes.volumes.class"
	checkVolumesRights = "kubernetes.volumes.rights"
	checkVolumesFreeze = "kubernetes.volumes.freeze"
)

// examineVolumes finds out whether the volumes of every group could be snapped. It
// takes no snapshot, and freezes nothing.
func (c *Cluster) examineVolumes(ctx context.Context, s *session) []source.Finding {
	var findings []source.Finding
	for _, g := range c.settings.Volumes {
		e := &volumeExamination{session: s, group: g.effective()}
		if err := e.examine(ctx); err != nil {
			e.findings = append(e.findings, e.prefixed(finding(checkVolumesServed, err)))
		}
		findings = append(findings, e.findings...)
	}
	return findings
}

// volumeExamination is that of one group.
type volumeExamination struct {
	session  *session
	group    Volumes
	findings []source.Finding
}

func (e *volumeExamination) found(severity source.Severity, check, remedy, format string, args ...any) {
	e.findings = append(e.findings, e.prefixed(source.Finding{Check: check, Severity: severity, Evidence: fmt.Sprintf(format, args...), Remedy: remedy}))
}

func (e *volumeExamination) prefixed(f source.Finding) source.Finding {
	f.Evidence = "volumes " + e.group.Name + ": " + f.Evidence
	return f
}

// examine returns an error where nothing more can be found out.
func (e *volumeExamination) examine(ctx context.Context) error {
	catalog := newCatalog(e.session)
	snapshot, class := snapshotKind, snapshotClassKind
	_, err := catalog.resources(ctx, snapshotKind.GroupVersion())
	if err == nil && e.group.Group {
		var kinds groupSnapshotKinds
		kinds, err = catalog.groupSnapshots(ctx)
		snapshot, class = kinds.snapshot, kinds.class
	}
	if isUnserved(err) {
		e.found(source.Error, checkVolumesServed, "install the snapshot controller of Kubernetes CSI with its CRDs, and a CSI driver that takes snapshots; or remove the group", "the cluster takes no %ss: %s", strings.ToLower(snapshot.Kind), err)
		return nil
	}
	if err != nil {
		return err
	}
	if err := e.rights(ctx, snapshot); err != nil {
		return err
	}
	e.freeze()
	driver, err := e.class(ctx, class)
	if err != nil {
		return err
	}
	chosen, err := e.session.chosenClaims(ctx, e.group)
	if err != nil {
		e.findings = append(e.findings, finding(checkVolumesClaims, err))
		return nil
	}
	return e.claims(ctx, chosen, driver)
}

func (e *volumeExamination) rights(ctx context.Context, snapshot kind) error {
	missing, err := e.session.lacking(ctx, e.group.captureRights(snapshot))
	if err != nil {
		return err
	}
	for _, right := range missing {
		e.found(source.Error, checkVolumesRights, "grant it as `openim-dr config rbac` prints it", "the credentials lack the right %s", right)
	}
	pruning, err := e.session.lacking(ctx, e.group.pruneRights())
	if err != nil {
		return err
	}
	if len(pruning) > 0 {
		e.found(source.Info, checkVolumesRights, "let prune run with credentials that have them, as `openim-dr config rbac --for prune` prints them; without them snapshots stay, with a warning", "openim-dr prune with these credentials could not delete snapshots with their points, for want of the rights %s", strings.Join(pruning, ", "))
	}
	uid, err := e.session.uid(ctx)
	if err != nil {
		return err
	}
	if uid == "" {
		e.found(source.Warning, checkVolumesRights, `grant "get" on this namespace`, "no restore can tell whether the snapshots are of its cluster, for want of the right %s", right{"get", namespaceKind, systemNamespace}.call().right())
	}
	if len(missing) == 0 {
		e.found(source.OK, checkVolumesRights, "", "snapshots may be taken in namespace %s", e.group.Namespace)
	}
	return nil
}

// freeze looks whether the commands could be run where this runs.
func (e *volumeExamination) freeze() {
	if e.group.Freeze == nil {
		return
	}
	for _, command := range [][]string{e.group.Freeze.Before, e.group.Freeze.After} {
		if _, err := exec.LookPath(command[0]); err != nil {
			e.found(source.Error, checkVolumesFreeze, "see that the program is there where backups run", "a command of freeze cannot be run: %s", err)
		}
	}
}

// class looks at the group's class, and returns its driver; empty where that is not
// known.
func (e *volumeExamination) class(ctx context.Context, k kind) (driver string, err error) {
	class, err := e.session.read(ctx, k, "", e.group.Class)
	switch {
	case answered(err, metav1.StatusReasonForbidden):
		e.found(source.Warning, checkVolumesClass, `grant "get" on `+k.rbac(), "whether there is a %s %s is not known: the credentials may not get it", k.Kind, e.group.Class)
		return "", nil
	case err != nil:
		return "", err
	case class == nil:
		e.found(source.Error, checkVolumesClass, "`kubectl get "+k.rbac()+"` lists them; correct class of the group", "there is no %s %s", k.Kind, e.group.Class)
		return "", nil
	}
	driver, _, _ = unstructured.NestedString(class.Object, "driver")
	policy, _, _ := unstructured.NestedString(class.Object, "deletionPolicy")
	if policy != string(snapshotv1.VolumeSnapshotContentRetain) {
		e.found(source.Warning, checkVolumesClass, "take a class with deletionPolicy: Retain; openim-dr prune deletes its snapshots all the same, with the points",
			"class %s has the deletion policy %s: whoever deletes the namespace, or the VolumeSnapshots in it, deletes what the points refer to", e.group.Class, policy)
		return driver, nil
	}
	e.found(source.OK, checkVolumesClass, "", "class %s of driver %s retains snapshots until they are pruned", e.group.Class, driver)
	return driver, nil
}

// claims looks at the volume of each claim.
func (e *volumeExamination) claims(ctx context.Context, chosen []*corev1.PersistentVolumeClaim, driver string) error {
	var good []string
	for _, claim := range chosen {
		why, err := e.unsnappable(ctx, claim, driver)
		if answered(err, metav1.StatusReasonForbidden) {
			e.found(source.Warning, checkVolumesClaims, `grant "get" on persistentvolumes, so that a volume that cannot be snapped is found before the backup`, "which driver claim %s has is not known: the credentials may not get persistentvolumes", claim.Name)
			return nil
		}
		if err != nil {
			return err
		}
		if why != "" {
			e.found(source.Error, checkVolumesClaims, "choose other claims, or a class of the driver that the volume has", "claim %s cannot be snapped: %s", claim.Name, why)
			continue
		}
		good = append(good, claim.Name)
	}
	if len(good) > 0 {
		e.found(source.OK, checkVolumesClaims, "", "%s can be snapped: %s", claims(len(good)), strings.Join(good, ", "))
	}
	return nil
}

func (e *volumeExamination) unsnappable(ctx context.Context, claim *corev1.PersistentVolumeClaim, driver string) (why string, err error) {
	if claim.Status.Phase != corev1.ClaimBound {
		return "it has no volume, and is " + strings.ToLower(string(claim.Status.Phase)), nil
	}
	volume, err := readAs[corev1.PersistentVolume](ctx, e.session, volumeKind, "", claim.Spec.VolumeName)
	switch {
	case err != nil:
		return "", err
	case volume == nil:
		return "its volume " + claim.Spec.VolumeName + " does not exist", nil
	case volume.Spec.CSI == nil:
		return "its volume is none of a CSI driver", nil
	case driver != "" && volume.Spec.CSI.Driver != driver:
		return fmt.Sprintf("its volume is of driver %s, and the class of driver %s", volume.Spec.CSI.Driver, driver), nil
	default:
		return "", nil
	}
}
