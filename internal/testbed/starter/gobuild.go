package starter

import (
	"cmp"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// goServer is a server that is built from a Go module of its own under
// internal/testbed/servers.
type goServer struct {
	name    string   // of the server
	module  string   // its directory, where that has another name
	target  string   // package to build
	ldflags string   // besides those that every server gets
	sources []string // of our own, beside the module files
	usual   string
}

var (
	weedServer = goServer{
		name:   "seaweedfs",
		target: "github.com/seaweedfs/seaweedfs/weed",
		usual:  "3 minutes",
	}
	gcsServer = goServer{
		name:    "gcs",
		target:  ".",
		sources: []string{"*.go", "*/*.go"},
		usual:   "2 minutes",
	}
	versitygwServer = goServer{
		name:   "versitygw",
		target: "github.com/versity/versitygw/cmd/versitygw",
		usual:  "1 minute",
	}
	etcdServer = goServer{
		name:   "etcd",
		target: "go.etcd.io/etcd/server/v3",
		usual:  "1 minute",
	}
	helmClient = goServer{
		name:   "helm",
		target: "helm.sh/helm/v3/cmd/helm",
		usual:  "3 minutes",
	}
	apiServer = goServer{
		name:    "kubernetes",
		target:  "k8s.io/kubernetes/cmd/kube-apiserver",
		ldflags: kubernetesVersion,
		usual:   "6 minutes",
	}
	controllerManager = goServer{
		name:    "kubernetes-controllers",
		module:  "kubernetes",
		target:  "k8s.io/kubernetes/cmd/kube-controller-manager",
		ldflags: kubernetesVersion,
		usual:   "2 minutes",
	}
	scheduler = goServer{
		name:    "kubernetes-scheduler",
		module:  "kubernetes",
		target:  "k8s.io/kubernetes/cmd/kube-scheduler",
		ldflags: kubernetesVersion,
		usual:   "1 minute",
	}
	kubelet = goServer{
		name:    "kubelet",
		module:  "kubernetes",
		target:  "k8s.io/kubernetes/cmd/kubelet",
		ldflags: kubernetesVersion,
		usual:   "2 minutes",
	}
	kubeProxy = goServer{
		name:    "kubernetes-proxy",
		module:  "kubernetes",
		target:  "k8s.io/kubernetes/cmd/kube-proxy",
		ldflags: kubernetesVersion,
		usual:   "1 minute",
	}
	coreDNS = goServer{
		name:    "coredns",
		target:  ".",
		sources: []string{"*.go"},
		usual:   "1 minute",
	}
	nodeInit = goServer{
		name:    "node",
		target:  ".",
		sources: []string{"*.go"},
		usual:   "5 seconds",
	}
	openimServer = goServer{
		name:    "openim",
		target:  ".",
		sources: []string{"*.go"},
		usual:   "20 seconds",
	}
)

// kubernetesVersion is what servers call themselves. Without it that is
// v0.0.0-master+$Format:%H$, which no client can parse.
const kubernetesVersion = "-X k8s.io/component-base/version.gitVersion=v1.34.2" +
	" -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=34"

// binary returns the path of a server's binary, building it where the cache has
// none by today's recipe.
func (tb *Testbed) binary(ctx context.Context, s goServer) (string, error) {
	dir := filepath.Join(tb.root, "internal", "testbed", "servers", cmp.Or(s.module, s.name))
	parts, err := recipeFiles(dir, append([]string{"go.mod", "go.sum"}, s.sources...)...)
	if err != nil {
		return "", err
	}
	flags := []string{"build", "-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags", "-s -w " + s.ldflags}
	parts = append(append(parts, runtime.Version(), s.target), flags...)
	return tb.cache.artifact(ctx, s.name, recipe(parts...), func(ctx context.Context, path string) error {
		tb.cache.building.Lock()
		defer tb.cache.building.Unlock()
		return tb.goBuild(ctx, s, dir, append(flags, "-o", path, s.target))
	})
}

func (tb *Testbed) goBuild(ctx context.Context, s goServer, dir string, args []string) error {
	if !installed("go") {
		return &fault.Error{Kind: fault.Usage, Doing: "build " + s.name, Why: "there is no go command", Try: "install Go " + runtime.Version()[2:]}
	}
	st := step{
		doing: "build " + s.name,
		usual: s.usual,
		log:   tb.cache.log(s.name),
		try:   "see that the Go module proxy answers (`go env GOPROXY`), then again: what is built already is kept",
	}
	return tb.console.run(ctx, st, func(ctx context.Context, log io.Writer) error {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
		cmd.Stdout, cmd.Stderr = log, log
		return cmd.Run()
	})
}
