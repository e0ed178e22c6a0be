package starter

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"
)

func (tb *Testbed) kubernetes() part {
	return part{
		name:    "kubernetes",
		check:   tb.checkCluster,
		prepare: tb.prepareKubernetes,
		start:   tb.startKubernetes,
	}
}

func (tb *Testbed) kubePath(name string) string { return filepath.Join(tb.dir, "kubernetes", name) }
func (tb *Testbed) kubeconfig() string          { return tb.kubePath("kubeconfig") }

func (tb *Testbed) kubeURL() string {
	return "https://" + tb.address("kubernetes")
}

func (tb *Testbed) prepareKubernetes(ctx context.Context) error {
	for _, server := range []goServer{etcdServer, apiServer, controllerManager} {
		if _, err := tb.binary(ctx, server); err != nil {
			return err
		}
	}
	return nil
}

func (tb *Testbed) startKubernetes(ctx context.Context) error {
	if err := tb.writeKubernetesFiles(); err != nil {
		return err
	}
	if err := tb.startEtcd(ctx); err != nil {
		return err
	}
	path, err := tb.binary(ctx, apiServer)
	if err != nil {
		return err
	}
	err = tb.serve(ctx, service{
		ports:   []string{"kubernetes"},
		command: func() process { return tb.apiServerProcess(path) },
		ready:   tb.checkKubernetes,
	})
	if err != nil {
		return err
	}
	ca, err := os.ReadFile(tb.kubePath("ca.crt"))
	if err != nil {
		return err
	}
	if err := writeKubeconfig(tb.kubeconfig(), tb.kubeURL(), ca, tb.state.KubeToken); err != nil {
		return err
	}
	if err := tb.installSnapshots(ctx); err != nil {
		return err
	}
	return tb.startControllers(ctx)
}

func (tb *Testbed) startEtcd(ctx context.Context) error {
	path, err := tb.binary(ctx, etcdServer)
	if err != nil {
		return err
	}
	return tb.serve(ctx, service{
		ports:   []string{"etcd", "etcd.peer"},
		command: func() process { return tb.etcdProcess(path) },
		ready: func(ctx context.Context) error {
			return ask(ctx, http.DefaultClient, http.MethodGet, "http://"+tb.address("etcd")+"/health", "", http.StatusOK)
		},
	})
}

func (tb *Testbed) etcdProcess(path string) process {
	client, peer := "http://"+tb.address("etcd"), "http://"+tb.address("etcd.peer")
	return process{
		name: "etcd", path: path, dir: tb.data("etcd"), log: tb.log("etcd"),
		args: []string{
			"--name=testbed", "--data-dir=" + tb.data("etcd"), "--unsafe-no-fsync",
			"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
			"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer,
			"--initial-cluster=testbed=" + peer, "--log-level=warn",
		},
	}
}

func (tb *Testbed) apiServerProcess(path string) process {
	return process{
		name: "kubernetes", path: path, dir: tb.data("kubernetes"), log: tb.log("kubernetes"),
		args: []string{
			"--etcd-servers=http://" + tb.address("etcd"),
			"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
			fmt.Sprintf("--secure-port=%d", tb.port("kubernetes")),
			"--endpoint-reconciler-type=none",
			"--service-cluster-ip-range=10.96.0.0/24",
			"--cert-dir=" + tb.data("kubernetes"),
			"--tls-cert-file=" + tb.kubePath("server.crt"), "--tls-private-key-file=" + tb.kubePath("server.key"),
			"--service-account-issuer=https://kubernetes.default.svc",
			"--service-account-key-file=" + tb.kubePath("server.key"),
			"--service-account-signing-key-file=" + tb.kubePath("server.key"),
			"--token-auth-file=" + tb.kubePath("tokens.csv"),
			"--authorization-mode=RBAC",
			// Nothing here runs pods, and none of the controllers makes service accounts.
			"--disable-admission-plugins=ServiceAccount",
		},
	}
}

func (tb *Testbed) checkCluster(ctx context.Context) error {
	if err := tb.checkKubernetes(ctx); err != nil {
		return err
	}
	if err := tb.checkSnapshots(ctx); err != nil {
		return err
	}
	return tb.checkControllers(ctx)
}

func (tb *Testbed) checkKubernetes(ctx context.Context) error {
	client, end, err := tb.kubeClient()
	if err != nil {
		return err
	}
	defer end()
	return ask(ctx, client, http.MethodGet, tb.kubeURL()+"/readyz", "", http.StatusOK)
}

// kubeClient trusts the authority of the testbed's API server.
func (tb *Testbed) kubeClient() (client *http.Client, end func(), err error) {
	return trusting(tb.kubePath("ca.crt"))
}

// trusting returns a client that trusts the authority in a file.
func trusting(authority string) (client *http.Client, end func(), err error) {
	ca, err := os.ReadFile(authority)
	if err != nil {
		return nil, nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, nil, fmt.Errorf("%s holds no certificate", authority)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	return &http.Client{Transport: transport}, transport.CloseIdleConnections, nil
}

// writeKubernetesFiles makes certificates and tokens, once per testbed.
func (tb *Testbed) writeKubernetesFiles() error {
	if err := os.MkdirAll(tb.kubePath("."), 0o700); err != nil {
		return err
	}
	tokens := tb.state.KubeToken + `,testbed,testbed,"system:masters"` + "\n"
	if err := writeFile(tb.kubePath("tokens.csv"), []byte(tokens)); err != nil {
		return err
	}
	if _, err := os.Stat(tb.kubePath("ca.crt")); err == nil {
		return nil
	}
	certs, err := newCertificates(nil)
	if err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	// The authority is written last: it says that the others are there.
	for _, file := range []struct {
		name string
		data []byte
	}{{"server.key", certs.key}, {"server.crt", certs.server}, {"ca.crt", certs.authority}} {
		if err := writeFile(tb.kubePath(file.name), file.data); err != nil {
			return err
		}
	}
	return nil
}

// writeKubeconfig says how a server is reached by whoever has a token.
func writeKubeconfig(path, server string, authority []byte, token string) error {
	type object = map[string]any
	data, err := yaml.Marshal(object{
		"apiVersion": "v1",
		"kind":       "Config",
		"clusters": []object{{"name": "testbed", "cluster": object{
			"server": server, "certificate-authority-data": authority,
		}}},
		"users":           []object{{"name": "testbed", "user": object{"token": token}}},
		"contexts":        []object{{"name": "testbed", "context": object{"cluster": "testbed", "user": "testbed"}}},
		"current-context": "testbed",
	})
	if err != nil {
		return err
	}
	return writeFile(path, data)
}
