package starter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// Node is a whole Kubernetes cluster of one node beside the testbed's servers: it
// schedules pods and runs them. It lives in namespaces of its own (mounts, network,
// processes), and its first process is the only one that is known outside. So the
// nodes of several checkouts do not meet, and what a node leaves behind goes with
// that process.
type Node struct{ tb *Testbed }

// Node finds the node of a checkout, whether it runs or not. It has a directory and an
// id of its own, so that each can be taken up and down while the other is at work.
func (tb *Testbed) Node() *Node {
	own := &Testbed{root: tb.root, dir: filepath.Join(tb.dir, nodeName), id: recipe(nodeName, tb.id)[:10], cache: tb.cache, console: tb.console}
	return &Node{own}
}

// nodeName is what the node is called, and the name of its first process.
const nodeName = "node"

// dir is a directory or file of the node as the host sees it.
func (n *Node) dir(elements ...string) string {
	return filepath.Join(append([]string{n.tb.data(nodeName)}, elements...)...)
}

// Running says whether pods can be run with all images of the testbed.
func (n *Node) Running(ctx context.Context) bool {
	if _, err := os.Stat(n.envPath()); err != nil || n.tb.load() != nil {
		return false
	}
	pids, _ := n.tb.running(nodeName)
	return len(pids) == 1 && n.ready(ctx) == nil
}

// Up starts the node where it does not run, and returns when pods can be run.
func (n *Node) Up(ctx context.Context) error {
	begin, tb := time.Now(), n.tb
	if os.Geteuid() != 0 {
		return &fault.Error{Kind: fault.Usage, Doing: "start a Kubernetes node", Why: "it takes namespaces and control groups, which only root may make", Try: "run it as root"}
	}
	unlock, err := tb.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if n.Running(ctx) {
		tb.console.printf("the node is up; addresses are in %s", n.envPath())
		return nil
	}
	if err := tb.load(); err != nil {
		return err
	}
	if err := remove(n.envPath()); err != nil {
		return err
	}
	if err := n.prepare(ctx); err != nil {
		return err
	}
	if err := n.stop(ctx); err != nil {
		return err
	}
	if err := n.start(ctx); err != nil {
		return tb.describeStart(part{name: nodeName}, err)
	}
	if err := n.writeEnv(ctx); err != nil {
		return err
	}
	tb.console.printf("the node is up after %s; addresses are in %s", time.Since(begin).Round(100*time.Millisecond), n.envPath())
	return nil
}

// Down stops the node and removes all of it.
func (n *Node) Down(ctx context.Context) error {
	unlock, err := n.tb.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := n.stop(ctx); err != nil {
		return err
	}
	n.tb.console.printf("the node is down")
	return nil
}

// prepare makes the host able to run the node, and what the node runs.
func (n *Node) prepare(ctx context.Context) error {
	tb := n.tb
	if err := tb.prepareHost(ctx); err != nil {
		return err
	}
	var missing []string
	for program, name := range nodePrograms {
		if !installed(program) {
			missing = append(missing, name)
		}
	}
	if err := tb.install(ctx, missing); err != nil {
		return err
	}
	for _, server := range nodeServers {
		if _, err := tb.binary(ctx, server); err != nil {
			return err
		}
	}
	return n.prepareImages(ctx)
}

// nodePrograms are what the node runs of Debian's, and the packages they come in.
var nodePrograms = map[string]string{
	"containerd":       "containerd",
	"ip":               "iproute2",
	"iptables":         "iptables",
	"nsenter":          "util-linux",
	plugins + "bridge": "containernetworking-plugins",
}

// plugins is where Debian has those of the container network interface.
const plugins = "/usr/lib/cni/"

// stop ends the node, whatever is left of it, and removes its data.
func (n *Node) stop(ctx context.Context) error {
	err := errors.Join(remove(n.envPath()), n.tb.stop(ctx, nodeName))
	if err != nil {
		return err
	}
	if err := n.removeGroups(ctx); err != nil {
		return err
	}
	n.removeLink(ctx)
	return os.RemoveAll(n.dir())
}

func (n *Node) start(ctx context.Context) error {
	tb := n.tb
	if err := n.chooseNetwork(); err != nil {
		return err
	}
	if err := n.writeFiles(ctx); err != nil {
		return err
	}
	if err := n.makeGroups(); err != nil {
		return err
	}
	program, err := tb.binary(ctx, nodeInit)
	if err != nil {
		return err
	}
	p := process{
		name: nodeName, path: program, args: []string{n.dir("plan.json")}, dir: n.dir(), log: tb.log(nodeName),
		namespaces: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID,
	}
	if err := tb.launch(p); err != nil {
		return err
	}
	if err := n.connect(ctx, p); err != nil {
		return err
	}
	if err := n.loadImages(ctx); err != nil {
		return err
	}
	return tb.await(ctx, p, n.ready, 2*time.Minute)
}

// ready says whether the node can run pods: it says so itself, and names in the
// cluster are answered.
func (n *Node) ready(ctx context.Context) error {
	client, end, err := trusting(n.dir("kubernetes", "ca.crt"))
	if err != nil {
		return err
	}
	defer end()
	client.Transport = bearer{n.tb.state.KubeToken, client.Transport}
	if err := n.checkReady(ctx, client); err != nil {
		return err
	}
	// Without the account no pod is admitted.
	if err := ask(ctx, client, http.MethodGet, n.url()+"/api/v1/namespaces/default/serviceaccounts/default", "", http.StatusOK); err != nil {
		return err
	}
	return ask(ctx, http.DefaultClient, http.MethodGet, fmt.Sprintf("http://%s:%d/ready", n.address(), dnsReadyPort), "", http.StatusOK)
}

// checkReady returns why the node says that it is not ready.
func (n *Node) checkReady(ctx context.Context, client *http.Client) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, n.url()+"/api/v1/nodes/"+nodeName, http.NoBody)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var node struct {
		Status struct {
			Conditions []struct{ Type, Status, Message string }
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&node); err != nil {
		return err
	}
	for _, c := range node.Status.Conditions {
		if c.Type == "Ready" && c.Status == "True" {
			return nil
		} else if c.Type == "Ready" {
			return errors.New(c.Message)
		}
	}
	return errors.New("the node has not said anything yet")
}

func (n *Node) envPath() string { return filepath.Join(n.tb.dir, "env") }

// Env returns addresses and images as NAME=value lines.
func (n *Node) Env() (string, error) {
	data, err := os.ReadFile(n.envPath())
	if errors.Is(err, os.ErrNotExist) {
		return "", &fault.Error{Doing: "read the node's addresses", Why: "it is not running", Try: "go run ./internal/testbed/cmd/testbed node up"}
	}
	return string(data), err
}

// writeEnv says where everything is.
func (n *Node) writeEnv(ctx context.Context) error {
	helm, err := n.tb.binary(ctx, helmClient)
	if err != nil {
		return err
	}
	lines := []string{"KUBECONFIG=" + n.dir("kubernetes", kubeconfigName), "HELM=" + helm}
	images, err := n.images(ctx)
	if err != nil {
		return err
	}
	for _, i := range images {
		if i.variable != "" {
			lines = append(lines, i.variable+"="+i.name)
		}
	}
	return writeFile(n.envPath(), []byte(strings.Join(lines, "\n")+"\n"))
}
