package helm

import (
	"net/netip"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/openim-dr/openim-dr/internal/testbed"
)

// peer is who is at the other end: a pod, or an address outside of the cluster.
type peer struct {
	namespace string
	labels    labels.Set
	address   string // of what is no pod
}

func pod(namespace string, of ...string) peer {
	p := peer{namespace: namespace, labels: labels.Set{}}
	for i := 0; i < len(of); i += 2 {
		p.labels[of[i]] = of[i+1]
	}
	return p
}

func address(ip string) peer { return peer{address: ip} }

// flow is a connection that somebody tries.
type flow struct {
	what string
	with peer
	port int32
}

var (
	dns        = flow{"names", pod("kube-system", "k8s-app", "kube-dns"), 53}
	mysql      = flow{"MySQL", pod("openim", "app", "openim-mysql"), 3306}
	s3         = flow{"S3", pod("seaweedfs", "app", "seaweedfs-s3"), 8333}
	filer      = flow{"the filer of SeaweedFS", pod("seaweedfs", "app", "seaweedfs-filer"), 8888}
	openimAPI  = flow{"the API of OpenIM", pod("openim", "app", "openim-api"), 10002}
	otherMySQL = flow{"MySQL of somebody else", pod("billing", "app", "mysql"), 3306}
	apiServer  = flow{"the API server", address("10.0.0.2"), 443}
	ownPort    = flow{"the API server at its own port", address("172.16.0.2"), 6443}
	gcs        = flow{"Cloud Storage", address("142.250.74.91"), 443}
	restricted = flow{"Cloud Storage by restricted.googleapis.com", address("199.36.153.4"), 443}
	metadata   = flow{"tokens of Workload Identity", address("169.254.169.254"), 80}
	mail       = flow{"a mail server", address("203.0.113.25"), 587}
	plainHTTP  = flow{"the web without TLS", address("142.250.74.91"), 80}
	private    = flow{"a private machine", address("10.99.0.7"), 443}
	redis      = flow{"the cache", pod("openim", "app", "dragonfly"), 6379}
	objects    = flow{"an object store of the company", address("10.20.0.5"), 9000}
	recorder   = flow{"a recorder beside Prometheus", pod("monitoring", "app", "recorder"), 8080}
	prometheus = flow{"Prometheus", pod("monitoring", "app", "prometheus"), 8080}
	stranger   = flow{"any other pod", pod("openim", "app", "openim-api"), 8080}
	sidecar    = flow{"a scratch server from outside", pod("openim", "app", "openim-api"), 3306}
)

// TestFlows holds the policies against what has to be possible, and what must not be. No
// engine that enforces them can be had in tests: they are read as it reads them.
func TestFlows(t *testing.T) {
	env := testbed.Need(t)
	for name, tt := range map[string]struct {
		values, policy      string
		out, in             []flow
		neither, notEntered []flow
	}{
		"the daemon": {
			values: "1-as-documented", policy: "openim-dr",
			out:        []flow{dns, mysql, s3, apiServer, ownPort, gcs, restricted, metadata},
			neither:    []flow{filer, openimAPI, otherMySQL, mail, plainHTTP, redis, recorder},
			in:         []flow{prometheus},
			notEntered: []flow{stranger},
		},
		"a daemon that needs no API server": {
			values: "10-restore-test-of-several-servers", policy: "openim-dr",
			out:        []flow{dns, mysql, s3, {"a second MySQL", pod("openim"), 3307}, gcs, metadata},
			neither:    []flow{apiServer, ownPort, private, filer, otherMySQL},
			notEntered: []flow{stranger, sidecar},
			in:         []flow{prometheus},
		},
		"a daemon with other places": {
			values: "13-other-places", policy: "openim-dr",
			out:        []flow{dns, mysql, s3, objects, redis, gcs, metadata, recorder, mail},
			neither:    []flow{otherMySQL, openimAPI, {"another port there", objects.with, 9001}},
			notEntered: []flow{prometheus, stranger},
		},
		"the restore test": {
			values: "9-restore-test", policy: "openim-dr-drill",
			out:        []flow{dns, gcs, restricted, metadata},
			neither:    []flow{mysql, s3, filer, openimAPI, otherMySQL, apiServer, ownPort, private, redis, mail, plainHTTP},
			notEntered: []flow{prometheus, stranger, sidecar},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := as[networkingv1.NetworkPolicy](t, render(t, env, "testdata/"+tt.values+".yaml").the(t, "NetworkPolicy", tt.policy))
			if len(p.Spec.PolicyTypes) != 2 {
				t.Fatalf("it is about %q alone", p.Spec.PolicyTypes)
			}
			for _, f := range tt.out {
				if !leaves(t, p, f) {
					t.Errorf("it cannot reach %s", f.what)
				}
			}
			for _, f := range tt.neither {
				if leaves(t, p, f) {
					t.Errorf("it can reach %s", f.what)
				}
			}
			for _, f := range tt.in {
				if !enters(t, p, f) {
					t.Errorf("%s cannot reach it", f.what)
				}
			}
			for _, f := range tt.notEntered {
				if enters(t, p, f) {
					t.Errorf("%s can reach it", f.what)
				}
			}
		})
	}
}

// TestPoliciesAreAboutTheirPods: a policy that selects none allows everything.
func TestPoliciesAreAboutTheirPods(t *testing.T) {
	env := testbed.Need(t)
	all := render(t, env, "testdata/9-restore-test.yaml")
	policy := as[networkingv1.NetworkPolicy](t, all.the(t, "NetworkPolicy", "openim-dr"))
	for kind, name := range map[string]string{"Deployment": "openim-dr", "Pod": "openim-dr-doctor"} {
		u := all.the(t, kind, name)
		of := labels.Set(u.GetLabels())
		if !selects(t, &policy.Spec.PodSelector, of) {
			t.Errorf("%s %s is none of its pods", kind, name)
		}
	}
	drill := as[networkingv1.NetworkPolicy](t, all.the(t, "NetworkPolicy", "openim-dr-drill"))
	if len(drill.Spec.PodSelector.MatchLabels) > 0 || drill.Namespace != all.the(t, "CronJob", "openim-dr-drill").GetNamespace() {
		t.Errorf("that of the drill is about %v in %s", drill.Spec.PodSelector, drill.Namespace)
	}
}

func leaves(t *testing.T, p *networkingv1.NetworkPolicy, f flow) bool {
	t.Helper()
	for _, rule := range p.Spec.Egress {
		if allows(t, p.Namespace, rule.To, rule.Ports, f) {
			return true
		}
	}
	return false
}

func enters(t *testing.T, p *networkingv1.NetworkPolicy, f flow) bool {
	t.Helper()
	for _, rule := range p.Spec.Ingress {
		if allows(t, p.Namespace, rule.From, rule.Ports, f) {
			return true
		}
	}
	return false
}

// allows reads a rule as the API describes it: no peers are all, and so are no ports.
func allows(t *testing.T, namespace string, peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort, f flow) bool {
	t.Helper()
	if len(ports) > 0 && !hasPort(ports, f.port) {
		return false
	}
	if len(peers) == 0 {
		return true
	}
	for _, p := range peers {
		if p.IPBlock != nil && f.with.address != "" && within(t, p.IPBlock, f.with.address) {
			return true
		}
		if p.IPBlock == nil && f.with.address == "" && isPeer(t, namespace, p, f.with) {
			return true
		}
	}
	return false
}

func hasPort(ports []networkingv1.NetworkPolicyPort, port int32) bool {
	for _, p := range ports {
		if p.Port == nil || p.Port.IntVal == port || p.EndPort != nil && p.Port.IntVal <= port && port <= *p.EndPort {
			return true
		}
	}
	return false
}

func within(t *testing.T, block *networkingv1.IPBlock, ip string) bool {
	t.Helper()
	at := netip.MustParseAddr(ip)
	holds := func(cidr string) bool {
		prefix, err := netip.ParsePrefix(cidr)
		if err != nil {
			t.Fatal(err)
		}
		return prefix.Contains(at)
	}
	for _, except := range block.Except {
		if holds(except) {
			return false
		}
	}
	return holds(block.CIDR)
}

func isPeer(t *testing.T, namespace string, p networkingv1.NetworkPolicyPeer, with peer) bool {
	t.Helper()
	there := with.namespace == namespace
	if p.NamespaceSelector != nil {
		there = selects(t, p.NamespaceSelector, labels.Set{"kubernetes.io/metadata.name": with.namespace})
	}
	return there && (p.PodSelector == nil || selects(t, p.PodSelector, with.labels))
}

func selects(t *testing.T, s *metav1.LabelSelector, of labels.Set) bool {
	t.Helper()
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		t.Fatal(err)
	}
	return selector.Matches(of)
}
