package kube

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/openim-dr/openim-dr/internal/quantity"
)

// CapturedVolumes is what a point says of the volumes of one group. It names the
// claims, so that they can be brought back without a private key; it holds none of
// their data, which is in the snapshots and nowhere else.
type CapturedVolumes struct {
	Name      string `json:"name"` // of the group in the configuration
	Namespace string `json:"namespace"`
	Class     string `json:"class"`
	// Group is the VolumeGroupSnapshot that the snapshots are members of.
	Group string `json:"group,omitempty"`
	// Cluster is the uid of the namespace kube-system; empty where it may not be seen.
	Cluster string    `json:"cluster,omitempty"`
	Begun   time.Time `json:"begun"` // the first snapshot
	Ended   time.Time `json:"ended"` // when all of them could be used
	// FrozenSeconds is how long the volumes were kept still.
	FrozenSeconds float64            `json:"frozenSeconds,omitempty"`
	Snapshots     []CapturedSnapshot `json:"snapshots"` // by claim
}

// CapturedSnapshot is the snapshot of one claim's volume, and what it takes to make
// another claim of it.
type CapturedSnapshot struct {
	Claim          string   `json:"claim"`
	Size           string   `json:"size"` // of the claim, as a quantity
	StorageClass   string   `json:"storageClass,omitempty"`
	AccessModes    []string `json:"accessModes"`
	VolumeMode     string   `json:"volumeMode"`
	Snapshot       string   `json:"snapshot"`
	Content        string   `json:"content"`
	Handle         string   `json:"handle"` // by which the driver knows it
	Driver         string   `json:"driver"`
	DeletionPolicy string   `json:"deletionPolicy"`
	RestoreSize    int64    `json:"restoreSize"` // bytes; 0 where the driver does not tell
	// CreationTime is when the driver says that it was cut.
	CreationTime time.Time `json:"creationTime"`
}

// Parts describes the snapshots of volumes that a point refers to, a line each.
func Parts(captured json.RawMessage) []string {
	var record Captured
	if json.Unmarshal(captured, &record) != nil {
		return nil // whoever restores says so
	}
	var lines []string
	for _, group := range record.Volumes {
		for _, s := range group.Snapshots {
			lines = append(lines, fmt.Sprintf("volume %s/%s (%s): snapshot %s of %s, %s %s, deletion policy %s",
				group.Namespace, s.Claim, s.Size, s.Snapshot, s.CreationTime.UTC().Format(time.RFC3339), s.Driver, s.Handle, s.DeletionPolicy))
		}
	}
	return lines
}

// claims counts claims in words.
func claims(n int) string { return quantity.Count(n, "claim", "claims") }
