package starter

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const controlGroups = "/sys/fs/cgroup"

// group is the control group of all pods, in each hierarchy of control groups that
// the host has.
func (n *Node) group() string { return "openim-dr-" + n.tb.id }

// groups are the directories of the node's group, whether they are there or not.
func (n *Node) groups() ([]string, error) {
	if _, err := os.Stat(filepath.Join(controlGroups, "cgroup.procs")); err == nil {
		return []string{filepath.Join(controlGroups, n.group())}, nil // the one hierarchy of version 2
	}
	roots, err := filepath.Glob(filepath.Join(controlGroups, "*", "cgroup.procs"))
	if err != nil {
		return nil, err
	}
	for i, root := range roots {
		roots[i] = filepath.Join(filepath.Dir(root), n.group())
	}
	return roots, nil
}

// makeGroups makes the group: the kubelet wants it to be there.
func (n *Node) makeGroups() error {
	groups, err := n.groups()
	if err != nil {
		return err
	}
	for _, group := range groups {
		if err := os.MkdirAll(group, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// removeGroups removes the groups of all pods. They are the only trace of a node
// that does not go with its first process.
func (n *Node) removeGroups(ctx context.Context) error {
	groups, err := n.groups()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for _, group := range groups {
		var last error
		// Processes that were killed are in their group until the last of them is gone.
		err := poll(ctx, 50*time.Millisecond, func() (bool, error) {
			last = removeGroup(group)
			return last == nil, nil
		})
		if err != nil {
			return errors.Join(fmt.Errorf("remove control group %s: %w", group, err), last)
		}
	}
	return nil
}

// removeGroup removes a control group and those in it, children first. The files in
// it are the kernel's.
func removeGroup(group string) error {
	var dirs []string
	err := filepath.WalkDir(group, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			dirs = append(dirs, path)
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) && len(dirs) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	for _, dir := range slices.Backward(dirs) {
		if err := os.Remove(dir); err != nil {
			return err
		}
	}
	return nil
}
