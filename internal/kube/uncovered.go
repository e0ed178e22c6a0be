package kube

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/source"
)

// Checks of what a restore would not bring back.
const (
	checkUnread    = "kubernetes.unread"
	checkWorkloads = "kubernetes.workloads"
	checkImages    = "kubernetes.images"
	checkSnapshots = "kubernetes.snapshots"
	checkKept      = "kubernetes.kept"
)

func compareNames(a, b, c, d string) int { return cmp.Or(cmp.Compare(a, b), cmp.Compare(c, d)) }

// Uncovered says what of what runs here the source does not bring back.
func (c *Cluster) Uncovered(ctx context.Context) (*Deployed, []source.Finding) {
	d, err := c.Deployed(ctx)
	if err != nil {
		unseen := finding(checkUnread, err)
		unseen.Unseen = true
		return &Deployed{}, []source.Finding{unseen}
	}
	return d, d.judge()
}

// judge says what of what runs is not captured, and what of it would not come back as
// it was.
func (d *Deployed) judge() []source.Finding {
	var findings []source.Finding
	add := func(check string, severity source.Severity, evidence string, where []string, remedy string) {
		if len(where) > 0 {
			findings = append(findings, source.Finding{Check: check, Severity: severity, Evidence: evidence + firstOf(where), Remedy: remedy})
		}
	}
	add(checkUnread, source.Info, "not everything was looked at, for want of the rights ", d.Unread,
		"grant them to whoever runs doctor, or look by hand")
	left, kinds := d.notCaptured()
	add(checkWorkloads, source.Warning, "these are not captured, and so neither are the versions of their images: ", left,
		"add "+strings.Join(kinds, ", ")+" to kinds of the source, with names, labelSelector and exclude that let them in, or keep the manifests with their tags elsewhere")
	add(checkImages, source.Warning, "these images may be others tomorrow, since their tag is latest or none: ", d.loose(),
		"name a version or a digest: OpenIM changes its schemas when another version starts")
	add(checkSnapshots, source.Warning, "no snapshot can be taken of these volumes: ", d.unsnappable(),
		"see that another source captures what they hold, or move it to a StorageClass whose driver has a VolumeSnapshotClass")
	add(checkKept, source.Info, "others keep these as they are described elsewhere, and would overwrite what a restore writes: ", d.kept(),
		"keep the repositories that they read as safe as the points, and suspend them during a restore")
	if len(findings) == 0 {
		return []source.Finding{{Check: checkWorkloads, Severity: source.OK, Evidence: fmt.Sprintf("of %d workloads and %d volumes nothing is left out", len(d.Workloads), len(d.Claims))}}
	}
	return findings
}

// notCaptured are workloads that the settings leave out, and the resources of which
// they are.
func (d *Deployed) notCaptured() (names, resources []string) {
	for _, w := range d.Workloads {
		if !w.Captured {
			names = append(names, w.String())
			resources = append(resources, w.resource)
		}
	}
	slices.Sort(resources)
	return names, slices.Compact(resources)
}

// loose are images that a name does not pin.
func (d *Deployed) loose() []string {
	var found []string
	for _, w := range d.Workloads {
		for _, image := range w.Images {
			if isLoose(image) {
				found = append(found, fmt.Sprintf("%s: %s", w, image))
			}
		}
	}
	return found
}

// isLoose reports whether an image has neither a digest nor a tag but latest. A port
// of the registry is no tag.
func isLoose(image string) bool {
	if strings.Contains(image, "@") {
		return false
	}
	_, tag, tagged := strings.Cut(image[strings.LastIndexByte(image, '/')+1:], ":")
	return !tagged || tag == "latest"
}

// unsnappable are claims whose volumes are known, and that nothing snaps.
func (d *Deployed) unsnappable() []string {
	if !d.volumes {
		return nil // Unread says so
	}
	var found []string
	for _, claim := range d.Claims {
		name := fmt.Sprintf("PersistentVolumeClaim %s/%s", claim.Namespace, claim.Name)
		switch {
		case !claim.Known || slices.Contains(d.Snappable, claim.Driver):
		case claim.Driver == "":
			found = append(found, name+" (no CSI driver)")
		default:
			found = append(found, fmt.Sprintf("%s (no VolumeSnapshotClass for %s)", name, claim.Driver))
		}
	}
	return found
}

func (d *Deployed) kept() []string {
	var found []string
	for _, w := range d.Workloads {
		if w.Keeper != "" {
			found = append(found, fmt.Sprintf("%s (%s)", w, w.Keeper))
		}
	}
	return found
}

// mostNamed bounds what one finding names.
const mostNamed = 20

func firstOf(where []string) string {
	text := strings.Join(where[:min(len(where), mostNamed)], ", ")
	if more := len(where) - mostNamed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
