package kube

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/openim-dr/openim-dr/internal/fault"
)

func TestSettingsValidate(t *testing.T) {
	tests := map[string]struct {
		settings Settings
		ok       bool
	}{
		"nothing given":            {Settings{}, true},
		"as in the example":        {Settings{Namespaces: []string{"*"}, Kinds: []string{"secrets", "configmaps"}, Exclude: Exclude{Types: []string{"kubernetes.io/service-account-token"}}}, true},
		"a kind with its group":    {Settings{Kinds: []string{"ingresses.networking.k8s.io"}}, true},
		"a label selector":         {Settings{LabelSelector: "app.kubernetes.io/part-of=openim,tier notin (test)"}, true},
		"a broken label selector":  {Settings{LabelSelector: "a=(b"}, false},
		"a broken pattern":         {Settings{Namespaces: []string{"open[im"}}, false},
		"an empty namespace":       {Settings{Namespaces: []string{""}}, false},
		"a namespace with a slash": {Settings{Namespaces: []string{"a/b"}}, false},
		"a kind with a version":    {Settings{Kinds: []string{"v1/secrets"}}, false},
		"patterns of kinds":        {Settings{Kinds: []string{"*.example.com", "*"}}, true},
		"a broken pattern of them": {Settings{Kinds: []string{"[a"}}, false},
		"a kind with a blank":      {Settings{Kinds: []string{"secrets configmaps"}}, false},
		"names":                    {Settings{Names: []string{"openim-*", "tls"}}, true},
		"a name with a slash":      {Settings{Names: []string{"Secret/tls"}}, false},
		"all of Helm's history":    {Settings{Exclude: Exclude{HelmHistory: new(int)}}, true},
		"less than no history":     {Settings{Exclude: Exclude{HelmHistory: ref(-1)}}, false},
		"a cluster with a slash":   {Settings{Cluster: "a/b"}, false},
		"no kind at all":           {Settings{Kinds: []string{}}, false},
		"no namespace at all":      {Settings{Namespaces: []string{}}, false},
	}
	group := Volumes{Name: "a", Namespace: "b", Selector: "c=d", Class: "e"}
	for name, change := range map[string]func(*Volumes){
		"volumes without a name":          func(g *Volumes) { g.Name = "" },
		"volumes of many namespaces":      func(g *Volumes) { g.Namespace = "*" },
		"volumes without a selector":      func(g *Volumes) { g.Selector = "" },
		"volumes with a broken selector":  func(g *Volumes) { g.Selector = "a=(b" },
		"volumes without a class":         func(g *Volumes) { g.Class = "" },
		"volumes with a negative timeout": func(g *Volumes) { g.Timeout = -1 },
		"volumes with an unknown failure": func(g *Volumes) { g.OnFailure = "ignore" },
		"volumes frozen and never thawed": func(g *Volumes) { g.Freeze = &Freeze{Before: []string{"a"}} },
		"volumes frozen for more than 1h": func(g *Volumes) {
			g.Freeze = &Freeze{Before: []string{"a"}, After: []string{"b"}, Limit: 2 * maxFreeze}
		},
		"two groups of volumes of one name": nil,
	} {
		wrong := []Volumes{group}
		if change == nil {
			wrong = append(wrong, group)
		} else {
			change(&wrong[0])
		}
		tests[name] = struct {
			settings Settings
			ok       bool
		}{Settings{Volumes: wrong}, false}
	}
	tests["volumes"] = struct {
		settings Settings
		ok       bool
	}{Settings{Volumes: []Volumes{group}}, true}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := tt.settings.Validate()
			if (err == nil) != tt.ok {
				t.Fatalf("error %v, want valid %v", err, tt.ok)
			}
			if err != nil && fault.KindOf(err) != fault.Usage {
				t.Errorf("error of kind %v, want usage", fault.KindOf(err))
			}
		})
	}
}

func TestExcluded(t *testing.T) {
	object := func(kind, name, secretType string) *unstructured.Unstructured {
		u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": kind, "metadata": map[string]any{"name": name}}}
		if secretType != "" {
			u.Object["type"] = secretType
		}
		return u
	}
	nothing := Settings{Exclude: Exclude{Types: []string{}, Names: []string{}}}
	tests := map[string]struct {
		settings Settings
		object   *unstructured.Unstructured
		want     bool
	}{
		"the cluster's own certificate":    {Settings{}, object("ConfigMap", "kube-root-ca.crt", ""), true},
		"a service account's token":        {Settings{}, object("Secret", "default-token-x", "kubernetes.io/service-account-token"), true},
		"a bootstrap token":                {Settings{}, object("Secret", "bootstrap-token-x", "bootstrap.kubernetes.io/token"), true},
		"a secret":                         {Settings{}, object("Secret", "openim-mysql", "Opaque"), false},
		"a Helm release":                   {Settings{}, object("Secret", "sh.helm.release.v1.openim.v1", "helm.sh/release.v1"), false},
		"a type of something that is none": {Settings{}, object("ConfigMap", "x", "kubernetes.io/service-account-token"), false},
		"empty lists leave nothing out":    {nothing, object("ConfigMap", "kube-root-ca.crt", ""), false},
		"a pattern":                        {Settings{Exclude: Exclude{Names: []string{"*-leader"}}}, object("ConfigMap", "openim-leader", ""), true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := New("cluster", &tt.settings)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.excluded(tt.object); got != tt.want {
				t.Errorf("excluded is %v, want %v", got, tt.want)
			}
		})
	}
}

// A kubeconfig that cannot be used is named, wherever its name is from.
func TestKubeconfigThatCannotBeUsed(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(broken, []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	gone := filepath.Join(t.TempDir(), "gone")
	tests := map[string]struct{ configured, environment, says string }{
		"configured":         {broken, gone, "read kubeconfig " + broken + ": "},
		"of the environment": {"", broken, "read kubeconfig " + broken + " (of the environment's KUBECONFIG): "},
		"gone":               {"", gone, "read kubeconfig " + gone + " (of the environment's KUBECONFIG): "},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Setenv("KUBECONFIG", tt.environment)
			c := &Cluster{name: "cluster", settings: Settings{Kubeconfig: tt.configured}}
			_, _, err := c.kubeconfig()
			if fault.KindOf(err) != fault.Usage || err == nil || !strings.HasPrefix(err.Error(), tt.says) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v, want %q", err, tt.says)
			}
		})
	}
}
