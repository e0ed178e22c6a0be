package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/kube"
	"github.com/openim-dr/openim-dr/internal/mysql"
)

// A restore into one place must never stop the workloads of another.
func TestTheClusterThatIsQuiescedIsTheOneThatIsRestoredTo(t *testing.T) {
	cluster := func(name string) config.Source {
		return config.Source{Name: name, Kind: kube.Kind, Settings: &kube.Settings{Context: name + "-context", Namespaces: []string{"openim"}}}
	}
	database := config.Source{Name: "main", Kind: "mysql", Settings: new(mysql.Settings)}
	tests := map[string]struct {
		quiesce   config.Quiesce
		targets   []config.Source
		elsewhere bool
		want      string // context
		saying    string
	}{
		"the only one":              {config.Quiesce{}, []config.Source{database, cluster("a")}, false, "a-context", ""},
		"the named one":             {config.Quiesce{Source: "b"}, []config.Source{cluster("a"), cluster("b")}, false, "b-context", ""},
		"that of the target":        {config.Quiesce{Source: "b"}, []config.Source{cluster("b")}, true, "b-context", ""},
		"a kubeconfig of its own":   {config.Quiesce{Context: "x"}, []config.Source{cluster("a")}, false, "x", ""},
		"its own is not the target": {config.Quiesce{Context: "x"}, []config.Source{cluster("a")}, true, "", "is not that of --target"},
		"none in the target":        {config.Quiesce{Source: "a"}, []config.Source{database}, true, "", "no source of kind kubernetes of the name a"},
		"none at all":               {config.Quiesce{}, nil, false, "", "no source of kind kubernetes where"},
		"one of several":            {config.Quiesce{}, []config.Source{cluster("a"), cluster("b")}, false, "", "2 sources of kind kubernetes"},
		"another kind":              {config.Quiesce{Source: "main"}, []config.Source{database, cluster("a")}, false, "", "no source of kind kubernetes of the name main"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, settings, err := quiescedCluster(tt.quiesce, tt.targets, tt.elsewhere)
			if tt.saying == "" {
				if err != nil || settings.Context != tt.want {
					t.Errorf("got context %q, %v; want %q", settings.Context, err, tt.want)
				}
				return
			}
			if e, ok := fault.Outermost(err); !ok || e.Kind != fault.Usage || e.Try == "" || !strings.Contains(err.Error(), tt.saying) {
				t.Errorf("got %v, want an error of usage with %q", err, tt.saying)
			}
		})
	}
}

func TestNamespacesToQuiesceAreAlwaysNamed(t *testing.T) {
	everywhere := []config.Source{{Name: "a", Kind: kube.Kind, Settings: new(kube.Settings)}}
	if _, err := newQuiescer(nil, everywhere, false); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "in which namespaces") {
		t.Errorf("got %v, want an error of usage", err)
	}
	if _, err := newQuiescer(&config.Config{Quiesce: &config.Quiesce{Namespaces: []string{"openim"}}}, everywhere, false); err != nil {
		t.Error(err)
	}
	if everywhere[0].Settings.(*kube.Settings).Namespaces != nil {
		t.Error("the settings of the source have changed")
	}
}

func TestStagesAreOpenIMsUnlessOthersAreConfigured(t *testing.T) {
	configured := []config.Stage{{Name: "x", Workloads: []string{"a"}}, {Name: "y", Selector: "b=c"}}
	want := []kube.Stage{{Name: "x", Workloads: []string{"a"}}, {Name: "y", Selector: "b=c"}}
	if diff := cmp.Diff(want, quiesceStages(configured)); diff != "" {
		t.Errorf("stages (-want +got):\n%s", diff)
	}
	var names []string
	for _, s := range quiesceStages(nil) {
		names = append(names, s.Name)
		if !s.Optional {
			t.Errorf("stage %s demands names that not every installation has", s.Name)
		}
	}
	if want := []string{"entry", "transfer", "rpc"}; !slices.Equal(names, want) {
		t.Errorf("stages %v, want %v", names, want)
	}
}

func TestCachesAreMadeAsConfigured(t *testing.T) {
	if _, err := newCaches(nil, false); fault.KindOf(err) != fault.Usage {
		t.Errorf("got %v, want an error of usage", err)
	}
	c := &config.Config{Caches: []config.Cache{{Name: "one", Address: "a:1"}, {Name: "two", Address: "b:2", TLS: "verify"}}}
	made, err := newCaches(c, true)
	if err != nil || len(made) != 2 || made[1].Name() != "two" {
		t.Errorf("got %v, %v", made, err)
	}
	c.Caches[1].TLS = "perhaps"
	if _, err := newCaches(c, true); fault.KindOf(err) != fault.Usage {
		t.Errorf("got %v, want an error of usage", err)
	}
}
