package testbed

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"k8s.io/apimachinery/pkg/types"
)

// Node is a whole Kubernetes cluster of one node. It has the images that are named
// here, and can have no others.
type Node struct {
	*Env // of which there are Kubeconfig, Helm and the images of MySQL and SeaweedFS

	GCSImage    string // its entry point is the emulator, see servers/gcs
	OpenIMImage string // its entry point is the stand-in, see servers/openim
}

// NeedNode returns the running node. There is no other way to do without it than not
// to run the test.
func NeedNode(t testing.TB) *Node {
	t.Helper()
	n := &Node{Env: &Env{}}
	path, err := find(filepath.Join("node", "env"))
	if err == nil {
		err = readValues(path, map[string]*string{
			"KUBECONFIG":      &n.Kubeconfig,
			"HELM":            &n.Helm,
			"MYSQL_IMAGE":     &n.MySQLImage,
			"SEAWEEDFS_IMAGE": &n.SeaweedFSImage,
			"GCS_IMAGE":       &n.GCSImage,
			"OPENIM_IMAGE":    &n.OpenIMImage,
		})
	}
	if err != nil {
		t.Fatalf("find the Kubernetes node, which `make test-cluster` starts: %v", err)
	}
	return n
}

// Kill kills every process of a pod, as the kernel does when memory is short. It
// returns how many there were.
func (n *Node) Kill(t testing.TB, pod types.UID) int {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	killed := 0
	for _, path := range paths {
		groups, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(groups), "/pod"+string(pod)) {
			continue // it has ended meanwhile, or is another one
		}
		id, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil && syscall.Kill(id, syscall.SIGKILL) == nil {
			killed++
		}
	}
	return killed
}
