package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/go-logr/logr"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/kube/fields"
)

const (
	// dialTimeout ends the wait for a server that does not answer at all.
	dialTimeout = 10 * time.Second
	// requestTimeout ends any single request, its body included (invariant 9).
	// The API server itself gives up after one minute.
	requestTimeout = 2 * time.Minute
	// fieldManager names us in the managedFields of what we write.
	fieldManager = fields.OwnManager
)

// session is one conversation with the API server: made when a verb needs it,
// so that credentials are read at the moment of use.
type session struct {
	cluster string // as in kubernetes/CLUSTER/NAMESPACE
	host    string
	version string // of the server
	rest    rest.Interface
	objects dynamic.Interface
	client  *http.Client

	patience time.Duration // with what the server is about to serve
}

// close ends the connections.
func (s *session) close() { utilnet.CloseIdleConnectionsFor(s.client.Transport) }

// open reads the credentials and asks the server for its version.
func (c *Cluster) open(ctx context.Context) (*session, error) {
	config, cluster, err := c.clientConfig()
	if err != nil {
		return nil, err
	}
	s, err := newSession(config, cluster)
	if err != nil {
		// The text is withheld: it may quote the kubeconfig.
		return nil, fault.New(fault.Usage, "connect to", "the certificates, the address or the credentials given for it cannot be used").
			On("kubernetes " + cluster).Hint("check the kubeconfig with `kubectl version`")
	}
	data, err := s.get(ctx, call{verb: "read", resource: "the server's version"}, "/version")
	if err != nil {
		s.close()
		return nil, err
	}
	var info version.Info
	if err := json.Unmarshal(data, &info); err != nil || info.GitVersion == "" {
		s.close()
		return nil, fault.New(fault.Usage, "connect to", "%s answers, but not as a Kubernetes API server", s.host).On("kubernetes " + cluster)
	}
	s.version = info.GitVersion
	return s, nil
}

// The library's own log goes to standard error, and is turned off: what happens is
// returned. Later than here that would race with whoever uses the library.
func init() { klog.SetLogger(logr.Discard()) }

func newSession(config *rest.Config, cluster string) (*session, error) {
	config = dynamic.ConfigFor(config)
	config.Timeout = requestTimeout
	config.Dial = (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext
	// The default, but given: client-go then keeps no transport for ever in the
	// hope of another session with the same dialer.
	config.Proxy = http.ProxyFromEnvironment
	// The server's own fairness limits us better than a guess made here.
	config.QPS = -1
	config.UserAgent = fieldManager
	// To compress and expand costs both sides more than the bytes of a cluster's
	// own network.
	config.DisableCompression = true
	// Warnings quote objects' fields and would go to a log (invariant 4).
	config.WarningHandler = rest.NoWarnings{}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	restClient, err := rest.UnversionedRESTClientForConfigAndClient(config, client)
	if err != nil {
		return nil, err
	}
	return &session{cluster: cluster, host: config.Host, rest: restClient, objects: dynamic.New(restClient), client: client, patience: servedTimeout}, nil
}

// clientConfig returns how the server is reached and the cluster's name.
func (c *Cluster) clientConfig() (*rest.Config, string, error) {
	given := c.settings.Kubeconfig != "" || c.settings.Context != ""
	if !given {
		config, err := rest.InClusterConfig()
		if err == nil {
			return config, orName(c.settings.Cluster, "in-cluster"), nil
		}
		if !errors.Is(err, rest.ErrNotInCluster) {
			return nil, "", fault.New(fault.Usage, "read the service account of", "%w", err).On("this pod")
		}
	}
	return c.kubeconfig()
}

func (c *Cluster) kubeconfig() (*rest.Config, string, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = c.settings.Kubeconfig
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: c.settings.Context})
	raw, err := loader.RawConfig()
	if err != nil {
		return nil, "", c.kubeconfigFault(err)
	}
	name := orName(c.settings.Context, raw.CurrentContext)
	context := raw.Contexts[name]
	if context == nil && c.settings.Context != "" {
		return nil, "", c.kubeconfigFault(errNoContext)
	}
	config, err := loader.ClientConfig()
	if err != nil {
		return nil, "", c.kubeconfigFault(err)
	}
	cluster := name
	if context != nil {
		cluster = orName(context.Cluster, name)
	}
	return config, orName(c.settings.Cluster, orName(cluster, "default")), nil
}

// errNoContext: the configured context is not in the kubeconfig.
var errNoContext = errors.New("no such context")

// kubeconfigFault says what is wrong with a kubeconfig without quoting it: it
// holds credentials, and a parser's errors cite the text.
func (c *Cluster) kubeconfigFault(err error) error {
	why := errors.New("it is not a kubeconfig that can be used")
	var onDisk *os.PathError
	switch {
	case errors.As(err, &onDisk):
		why = onDisk
	case clientcmd.IsEmptyConfig(err):
		why = errors.New("there is none, and this is no pod of a cluster")
	case errors.Is(err, errNoContext):
		why = fmt.Errorf("it has no context %q", c.settings.Context)
	}
	return fault.New(fault.Usage, "read kubeconfig", "%w", why).On(c.kubeconfigPath()).
		Hint("set kubeconfig and context of source %q; `kubectl config get-contexts` lists them", c.name)
}

// kubeconfigPath names the file that is read, and whence its name is.
func (c *Cluster) kubeconfigPath() string {
	if c.settings.Kubeconfig != "" {
		return c.settings.Kubeconfig
	}
	if named := os.Getenv(clientcmd.RecommendedConfigPathEnvVar); named != "" {
		return named + " (of the environment's " + clientcmd.RecommendedConfigPathEnvVar + ")"
	}
	return clientcmd.RecommendedHomeFile
}

func orName(name, otherwise string) string {
	if name != "" {
		return name
	}
	return otherwise
}

// target spells a namespace of this cluster as --overwrite takes it.
func (s *session) target(namespace string) string {
	return "kubernetes/" + s.cluster + "/" + namespace
}

// get reads one document by its absolute path.
func (s *session) get(ctx context.Context, what call, path string) ([]byte, error) {
	started := time.Now()
	data, err := s.rest.Get().AbsPath(path).Do(ctx).Raw()
	if err != nil {
		return nil, s.fail(what, started, err)
	}
	return data, nil
}
