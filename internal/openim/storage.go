package openim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/source"
)

// checkStorage is the check of what the object storage keeps its data on.
const checkStorage = "openim.storage"

// Workload is what runs, so far as it tells where it keeps data.
type Workload struct {
	Name    string // in words, with its kind and namespace
	Images  []string
	Words   []string          // of its commands
	Labels  map[string]string // of its pods
	Volumes map[string]string // name -> hostPath, emptyDir, ephemeral, claim
}

// seaweedFSParts are those of SeaweedFS that keep data; "server" is all of them in one.
// A filer whose names are in a database of its own keeps none.
var seaweedFSParts = []string{"master", "volume", "filer", "server"}

// part is which of these a workload is, by the label of the chart or else by the first
// such word of its command, or nothing.
func (w Workload) part() string {
	if label := w.Labels["app.kubernetes.io/component"]; slices.Contains(seaweedFSParts, label) {
		return label
	}
	for _, word := range w.Words {
		if slices.Contains(seaweedFSParts, word) {
			return word
		}
	}
	return ""
}

// isSeaweedFS goes by the image, which mirrors rename only in front, or by the labels
// of its chart.
func (w Workload) isSeaweedFS() bool {
	named := func(image string) bool {
		repository := image[strings.LastIndexByte(image, '/')+1:]
		return strings.HasPrefix(repository, "seaweedfs") && !strings.Contains(repository, "csi") // its driver keeps nothing
	}
	return slices.ContainsFunc(w.Images, named) || strings.HasPrefix(w.Labels["app.kubernetes.io/name"], "seaweedfs") || w.Labels["app"] == "seaweedfs"
}

// holdsNoData tells volumes of SeaweedFS's pods that may be lost, by a part of their
// names: logs, and what is there for the time of a request.
func holdsNoData(name string) bool {
	return slices.ContainsFunc(strings.Split(name, "-"), func(part string) bool {
		return slices.Contains([]string{"log", "logs", "tmp", "temp", "cache"}, part)
	})
}

// Storage says which of SeaweedFS's parts keep data where it goes with a node or a
// pod. Their chart does so unless it is told otherwise. Workloads that are something
// else are passed over.
func Storage(workloads []Workload) []source.Finding {
	var bad []string
	seen := 0
	for _, w := range workloads {
		if !w.isSeaweedFS() {
			continue
		}
		seen++
		var names []string
		kept := false
		for name, on := range w.Volumes {
			if slices.Contains([]string{"hostPath", "emptyDir", "ephemeral"}, on) && !holdsNoData(name) {
				names = append(names, fmt.Sprintf("volume %s on %s", name, on))
			}
			kept = kept || on != "" && !holdsNoData(name)
		}
		if part := w.part(); part != "" && !kept {
			names = append(names, fmt.Sprintf("the %s has no volume at all", part))
		}
		slices.Sort(names)
		if len(names) > 0 {
			bad = append(bad, w.Name+": "+strings.Join(names, ", "))
		}
	}
	switch {
	case seen == 0:
		return nil
	case len(bad) == 0:
		return []source.Finding{{Check: checkStorage, Severity: source.OK, Evidence: fmt.Sprintf("%d workloads of SeaweedFS keep no data where it goes with a node or a pod", seen)}}
	}
	return []source.Finding{{
		Check: checkStorage, Severity: source.Error, Evidence: "data of SeaweedFS goes with its node or pod: " + shortened(bad),
		Remedy: "give master, volume and filer PersistentVolumeClaims; without the filer's data no object has a name, and snapshots of the others restore nothing. A filer whose store is a database needs none: back that up",
	}}
}
