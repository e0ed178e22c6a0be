package openim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/source"
)

// checkStorage is the check of what the object storage keeps its data on.
const checkStorage = "openim.storage"

// Workload is a Deployment or StatefulSet, so far as it tells where it keeps data.
type Workload struct {
	Name    string // in words, with its kind and namespace
	Images  []string
	Labels  map[string]string // of its pods
	Volumes map[string]string // name -> hostPath, emptyDir, claim
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
		for name, on := range w.Volumes {
			if (on == "hostPath" || on == "emptyDir") && !holdsNoData(name) {
				names = append(names, fmt.Sprintf("volume %s on %s", name, on))
			}
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
		return []source.Finding{{Check: checkStorage, Severity: source.OK, Evidence: fmt.Sprintf("%d workloads of SeaweedFS keep no data on hostPath or emptyDir", seen)}}
	}
	return []source.Finding{{
		Check: checkStorage, Severity: source.Error, Evidence: "data of SeaweedFS goes with its node or pod: " + shortened(bad),
		Remedy: "give master, volume and filer PersistentVolumeClaims; without the filer's data no object has a name, and snapshots of the others restore nothing",
	}}
}
