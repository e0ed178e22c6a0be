package starter

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// nodeServers are built for the node, besides what is in its images.
var nodeServers = []goServer{nodeInit, etcdServer, apiServer, controllerManager, scheduler, kubelet, kubeProxy, coreDNS, helmClient}

// kubeconfigName is the administrator's file.
const kubeconfigName = "kubeconfig"

// identities are who asks the API server, and their groups.
var identities = []struct{ name, user, group string }{
	{kubeconfigName, "testbed", "system:masters"},
	{"controllers", "system:kube-controller-manager", ""},
	{"scheduler", "system:kube-scheduler", ""},
	{"kubelet", "system:node:" + nodeName, "system:nodes"},
	{"proxy", "system:kube-proxy", ""},
	{"dns", "testbed-dns", "system:masters"},
}

// nodeDirectories are bound over those of the host, as programs have their paths
// built in.
var nodeDirectories = map[string]string{"lib": "/var/lib", "log": "/var/log"}

// containerSocket is where containerd is reached within the node.
const containerSocket = "/run/containerd/containerd.sock"

// writeFiles writes what the node's first process reads, and what the processes
// that it runs read.
func (n *Node) writeFiles(ctx context.Context) error {
	for _, dir := range []string{"kubernetes", "log", "lib/cni/net.d"} {
		if err := os.MkdirAll(n.dir(dir), 0o755); err != nil {
			return err
		}
	}
	if err := n.writeCredentials(); err != nil {
		return err
	}
	for name, text := range n.settings() {
		if err := writeFile(n.dir(name), []byte(text)); err != nil {
			return err
		}
	}
	plan, err := n.plan(ctx)
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(plan, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(n.dir("plan.json"), data)
}

// writeCredentials makes certificates and tokens, new ones for each start.
func (n *Node) writeCredentials() error {
	certs, err := newCertificates([]net.IP{n.address().AsSlice(), net.ParseIP(firstService)})
	if err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	var tokens strings.Builder
	for _, i := range identities {
		token := rand.Text()
		if i.name == kubeconfigName {
			token = n.tb.state.KubeToken
		}
		fmt.Fprintf(&tokens, "%s,%s,%s,%q\n", token, i.user, i.user, i.group)
		if err := writeKubeconfig(n.dir("kubernetes", i.name), n.url(), certs.authority, token); err != nil {
			return err
		}
	}
	return errors.Join(
		writeFile(n.dir("kubernetes", "tokens.csv"), []byte(tokens.String())),
		writeFile(n.dir("kubernetes", "server.key"), certs.key),
		writeFile(n.dir("kubernetes", "server.crt"), certs.server),
		writeFile(n.dir("kubernetes", "ca.crt"), certs.authority),
	)
}

// settings are the files of configuration, by their names in the node's directory.
func (n *Node) settings() map[string]string {
	return map[string]string{
		"lib/cni/net.d/10-bridge.conf": `{"cniVersion": "1.0.0", "name": "pods", "type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true,
			"ipam": {"type": "host-local", "ranges": [[{"subnet": "` + podNetwork + `"}]], "routes": [{"dst": "0.0.0.0/0"}]}}`,
		"containerd.toml": `version = 2
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "` + pauseImage + `"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "` + plugins + `"
conf_dir = "/var/lib/cni/net.d"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
`,
		// Nothing is pulled here, and so no image may be thought to be superfluous.
		"kubelet.yaml": `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
cgroupRoot: /` + n.group() + `
failCgroupV1: false
failSwapOn: false
enforceNodeAllocatable: []
localStorageCapacityIsolation: false
evictionHard: {memory.available: 100Mi}
imageGCHighThresholdPercent: 100
containerRuntimeEndpoint: unix://` + containerSocket + `
volumePluginDir: /var/lib/kubelet/volume-plugins
clusterDNS: ["` + n.address().String() + `"]
clusterDomain: cluster.local
resolvConf: ""
nodeStatusUpdateFrequency: 2s
`,
		// The node may not set the kernel's limits of connections, which are the host's.
		"proxy.yaml": `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
clusterCIDR: ` + podNetwork + `
hostnameOverride: ` + nodeName + `
clientConnection: {kubeconfig: "` + n.dir("kubernetes", "proxy") + `"}
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
`,
		"Corefile": `. {
	bind ` + n.address().String() + `
	errors
	ready ` + fmt.Sprintf("%s:%d", n.address(), dnsReadyPort) + `
	kubernetes cluster.local {
		kubeconfig ` + n.dir("kubernetes", "dns") + `
	}
}
`,
	}
}

// nodePlan is what servers/node reads.
type nodePlan struct {
	Mounts    []nodeMount
	Settings  map[string]string
	Logs      string
	Processes []nodeProcess
}

type nodeMount struct{ Source, Target string }

type nodeProcess struct {
	Name, Path string
	Args       []string
}

func (n *Node) plan(ctx context.Context) (nodePlan, error) {
	plan := nodePlan{
		Mounts: []nodeMount{{Target: "/run"}},
		Settings: map[string]string{
			"/proc/sys/net/ipv4/ip_forward": "1",
			// Otherwise the answer of a service's pod to a pod beside it bypasses kube-proxy.
			"/proc/sys/net/bridge/bridge-nf-call-iptables": "1",
		},
		Logs: filepath.Join(n.tb.dir, "logs"),
	}
	for source, target := range nodeDirectories {
		plan.Mounts = append(plan.Mounts, nodeMount{n.dir(source), target})
	}
	containerd, err := exec.LookPath("containerd")
	if err != nil {
		return plan, err
	}
	plan.Processes = append(plan.Processes, nodeProcess{"node-containerd", containerd, []string{"--config", n.dir("containerd.toml")}})
	for _, s := range []struct {
		server goServer
		args   []string
	}{
		{etcdServer, []string{"--name=node", "--data-dir=" + n.dir("etcd"), "--unsafe-no-fsync", "--log-level=warn"}},
		{apiServer, n.apiServerArgs()},
		{controllerManager, []string{
			"--kubeconfig=" + n.dir("kubernetes", "controllers"), "--use-service-account-credentials", "--leader-elect=false", "--bind-address=127.0.0.1",
			"--root-ca-file=" + n.dir("kubernetes", "ca.crt"), "--service-account-private-key-file=" + n.dir("kubernetes", "server.key"),
		}},
		{scheduler, []string{"--kubeconfig=" + n.dir("kubernetes", "scheduler"), "--leader-elect=false", "--bind-address=127.0.0.1"}},
		{kubelet, []string{
			"--config=" + n.dir("kubelet.yaml"), "--kubeconfig=" + n.dir("kubernetes", "kubelet"),
			"--hostname-override=" + nodeName, "--node-ip=" + n.address().String(),
		}},
		{kubeProxy, []string{"--config=" + n.dir("proxy.yaml")}},
		{coreDNS, []string{"-conf", n.dir("Corefile")}},
	} {
		path, err := n.tb.binary(ctx, s.server)
		if err != nil {
			return plan, err
		}
		plan.Processes = append(plan.Processes, nodeProcess{"node-" + s.server.name, path, s.args})
	}
	return plan, nil
}

func (n *Node) apiServerArgs() []string {
	key := n.dir("kubernetes", "server.key")
	return []string{
		"--etcd-servers=http://127.0.0.1:2379",
		"--bind-address=0.0.0.0", "--advertise-address=" + n.address().String(), fmt.Sprintf("--secure-port=%d", nodeAPIPort),
		"--service-cluster-ip-range=" + serviceNetwork,
		"--cert-dir=" + n.dir("kubernetes"), "--tls-cert-file=" + n.dir("kubernetes", "server.crt"), "--tls-private-key-file=" + key,
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file=" + key, "--service-account-signing-key-file=" + key,
		"--token-auth-file=" + n.dir("kubernetes", "tokens.csv"),
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
		"--kubelet-preferred-address-types=InternalIP",
	}
}
