package kube

import (
	"cmp"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/openim-dr/openim-dr/internal/quantity"
)

// Volumes is a group of claims whose volumes are snapped at the same time.
type Volumes struct {
	Name      string            `yaml:"name" jsonschema_description:"what the group is called in records and messages"`
	Namespace string            `yaml:"namespace" jsonschema_description:"namespace of the claims"`
	Selector  string            `yaml:"selector" jsonschema_description:"label selector of PersistentVolumeClaims, such as app.kubernetes.io/name=seaweedfs"`
	Class     string            `yaml:"class" jsonschema_description:"name of a VolumeSnapshotClass, or with group of a VolumeGroupSnapshotClass"`
	Group     bool              `yaml:"group,omitempty" jsonschema_description:"take one VolumeGroupSnapshot, of all volumes at one instant; few drivers can"`
	Timeout   quantity.Duration `yaml:"timeout,omitempty" jsonschema_description:"how long it may take until all snapshots can be used; default 10m"`
	OnFailure string            `yaml:"onFailure,omitempty" jsonschema:"enum=fail,enum=incomplete" jsonschema_description:"what becomes of the run when the snapshots fail: fail, the default, or incomplete: the point says that they are missing"`
	Freeze    *Freeze           `yaml:"freeze,omitempty" jsonschema_description:"commands that keep the volumes still while they are snapped"`
}

// Freeze is what keeps volumes still. After is run whatever has become of Before
// and of the snapshots.
type Freeze struct {
	Before  []string          `yaml:"before" jsonschema_description:"a program and its arguments, run before the snapshots are begun; no shell reads them"`
	After   []string          `yaml:"after" jsonschema_description:"the same, run as soon as all of them are cut, and after any failure"`
	Timeout quantity.Duration `yaml:"timeout,omitempty" jsonschema_description:"how long each of the two may take; default 1m"`
	Limit   quantity.Duration `yaml:"limit,omitempty" jsonschema_description:"how long the volumes may stay frozen until all snapshots are cut; default 2m"`
}

const (
	failsVolumes     = "fail"
	toleratesVolumes = "incomplete"

	defaultVolumesTimeout = quantity.Duration(10 * time.Minute)
	defaultFreezeTimeout  = quantity.Duration(time.Minute)
	defaultFreezeLimit    = quantity.Duration(2 * time.Minute)
	maxVolumesTimeout     = quantity.Duration(24 * time.Hour)
	maxFreeze             = quantity.Duration(time.Hour)
)

// validateVolumes reports the first setting of volumes that cannot be meant.
func validateVolumes(groups []Volumes) error {
	seen := map[string]bool{}
	for _, g := range groups {
		switch {
		case g.Name == "":
			return invalid("volumes: each group needs a name")
		case seen[g.Name]:
			return invalid("volumes: two groups are named %q", g.Name)
		}
		seen[g.Name] = true
		if err := g.validate(); err != nil {
			return err
		}
	}
	return nil
}

func (g Volumes) validate() error {
	selector, err := labels.Parse(g.Selector)
	switch {
	case g.Namespace == "" || isPattern(g.Namespace):
		return invalid("volumes: group %q needs the name of one namespace", g.Name)
	case err != nil || selector.Empty(): // err quotes the file
		return invalid("volumes: the selector of group %q is not a label selector such as app.kubernetes.io/name=seaweedfs", g.Name)
	case g.Class == "":
		return invalid("volumes: group %q needs a class, whose deletionPolicy decides what outlives the cluster", g.Name)
	case !within(g.Timeout, maxVolumesTimeout):
		return invalid("volumes: the timeout of group %q is not between 1s and 24h", g.Name)
	case g.OnFailure != "" && g.OnFailure != failsVolumes && g.OnFailure != toleratesVolumes:
		return invalid("volumes: onFailure of group %q is neither %s nor %s", g.Name, failsVolumes, toleratesVolumes)
	case g.Freeze == nil:
		return nil
	}
	f := *g.Freeze
	switch {
	case len(f.Before) == 0 || f.Before[0] == "" || len(f.After) == 0 || f.After[0] == "":
		return invalid("volumes: freeze of group %q needs before and after, each a program and its arguments", g.Name)
	case !within(f.Timeout, maxFreeze) || !within(f.Limit, maxFreeze):
		return invalid("volumes: timeout and limit of the freeze of group %q are not between 1s and 1h", g.Name)
	}
	return nil
}

// within reports whether a time is left to its default, or lies between a second and
// the most that is sensible.
func within(d, most quantity.Duration) bool {
	return d == 0 || d >= quantity.Duration(time.Second) && d <= most
}

// effective returns the group with the defaults filled in.
func (g Volumes) effective() Volumes {
	g.Timeout = cmp.Or(g.Timeout, defaultVolumesTimeout)
	if g.Freeze != nil {
		f := *g.Freeze
		f.Timeout, f.Limit = cmp.Or(f.Timeout, defaultFreezeTimeout), cmp.Or(f.Limit, defaultFreezeLimit)
		g.Freeze = &f
	}
	return g
}
