package scratch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	containertypes "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// namePrefix begins the name of all that is made, and of no directory that is not
// ours to remove.
const namePrefix = "openim-dr-scratch-"

// Labels of all that is made: containers, volumes and networks.
const (
	labelDrill    = "openim-dr.scratch.drill"
	labelMachine  = "openim-dr.scratch.machine"
	labelProcess  = "openim-dr.scratch.process"
	labelDeadline = "openim-dr.scratch.deadline"
	labelSource   = "openim-dr.scratch.source"
	// labelDirectory is where a container keeps its data, in a directory of its name.
	labelDirectory = "openim-dr.scratch.directory"
)

// grace is how long after its deadline a drill is taken for dead whose process
// cannot be seen from here: clocks differ, and cleaning up takes time.
const grace = 15 * time.Minute

func labelsOf(drill string, who identity, deadline time.Time) map[string]string {
	return map[string]string{
		labelDrill: drill, labelMachine: who.machine, labelProcess: who.process, labelDeadline: deadline.UTC().Format(time.RFC3339),
	}
}

// abandoned reports whether a drill has left behind what has these labels. A
// drill whose process runs has not, however late it is.
func abandoned(labels map[string]string, now time.Time) bool {
	alive, known := identity{labels[labelMachine], labels[labelProcess]}.alive()
	if known {
		return !alive
	}
	deadline, err := time.Parse(time.RFC3339, labels[labelDeadline])
	return err == nil && now.After(deadline.Add(grace))
}

// Sweep removes what drills that were killed have left behind, and returns how
// many containers that were. What belongs to a drill that is alive stays.
func Sweep(ctx context.Context, log *slog.Logger) (removed int, err error) {
	e, err := connect(ctx, log)
	if err != nil {
		return 0, err
	}
	defer e.close() //nolint:errcheck // what it did was acknowledged
	drills, err := e.drills(ctx)
	if err != nil {
		return 0, fault.New(fault.Failed, "look for scratch servers that were left behind", "%w", err)
	}
	for _, drill := range slices.Sorted(maps.Keys(drills)) {
		if !abandoned(drills[drill], time.Now()) {
			continue
		}
		n, err := e.remove(ctx, drill)
		removed += n
		if err != nil {
			return removed, fault.New(fault.Failed, "remove scratch servers that were left behind", "%w", err).On("drill " + drill)
		}
		log.Info("removed the scratch servers of a drill that was killed", "drill", drill, "containers", n)
	}
	return removed, nil
}

// drills returns the labels of all drills that have anything in the engine.
func (e *engine) drills(ctx context.Context) (map[string]map[string]string, error) {
	found := map[string]map[string]string{}
	note := func(labels map[string]string) { found[labels[labelDrill]] = labels }
	filter := make(client.Filters).Add("label", labelDrill)
	containers, err := e.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: filter})
	if err != nil {
		return nil, err
	}
	for _, c := range containers.Items {
		note(c.Labels)
	}
	volumes, err := e.api.VolumeList(ctx, client.VolumeListOptions{Filters: filter})
	if err != nil {
		return nil, err
	}
	for _, v := range volumes.Items {
		note(v.Labels)
	}
	networks, err := e.api.NetworkList(ctx, client.NetworkListOptions{Filters: filter})
	if err != nil {
		return nil, err
	}
	for _, n := range networks.Items {
		note(n.Labels)
	}
	return found, nil
}

// remove removes all that a drill has in the engine, and returns how many
// containers that were. One thing that cannot be removed keeps no other.
func (e *engine) remove(ctx context.Context, drill string) (int, error) {
	filter := make(client.Filters).Add("label", labelDrill+"="+drill)
	containers, err := e.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: filter})
	if err != nil {
		return 0, err
	}
	var failed []error
	for _, c := range containers.Items {
		failed = append(failed, e.removeWithData(ctx, c))
	}
	volumes, err := e.api.VolumeList(ctx, client.VolumeListOptions{Filters: filter})
	failed = append(failed, err)
	for _, v := range volumes.Items {
		_, err := e.api.VolumeRemove(ctx, v.Name, client.VolumeRemoveOptions{})
		failed = append(failed, unlessGone(err))
	}
	networks, err := e.api.NetworkList(ctx, client.NetworkListOptions{Filters: filter})
	failed = append(failed, err)
	for _, n := range networks.Items {
		_, err := e.api.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{})
		failed = append(failed, unlessGone(err))
	}
	return len(containers.Items), errors.Join(failed...)
}

// removeWithData removes a container, and before it the directory of its data:
// without the container nobody would know of that.
func (e *engine) removeWithData(ctx context.Context, c containertypes.Summary) error {
	_, err := e.api.ContainerKill(ctx, c.ID, client.ContainerKillOptions{})
	if err = unlessGone(err); err != nil {
		return err
	}
	if directory := c.Labels[labelDirectory]; directory != "" && len(c.Names) > 0 {
		if err := e.removeDirectory(ctx, c, directory); err != nil {
			return fmt.Errorf("remove its data below %s: %w", directory, err)
		}
	}
	return e.removeContainer(ctx, c.ID)
}

// removeDirectory has the engine remove what belongs to the server's own user.
func (e *engine) removeDirectory(ctx context.Context, c containertypes.Summary, directory string) error {
	name := strings.TrimPrefix(c.Names[0], "/")
	if !strings.HasPrefix(name, namePrefix) {
		return nil // somebody has given it another name
	}
	labels := maps.Clone(c.Labels)
	delete(labels, labelDirectory) // it has none of its own
	_, err := e.helper(ctx, c.ImageID, "", labels, mount.Mount{Type: mount.TypeBind, Source: directory}, "rm", "-rf", "/scratch/"+name)
	return err
}

func (e *engine) removeContainer(ctx context.Context, id string) error {
	_, err := e.api.ContainerRemove(ctx, id, client.ContainerRemoveOptions{RemoveVolumes: true, Force: true})
	return unlessGone(err)
}

// unlessGone drops the error of removing what is gone, or what somebody else is
// removing.
func unlessGone(err error) error {
	if errdefs.IsNotFound(err) || errdefs.IsConflict(err) {
		return nil
	}
	return err
}
