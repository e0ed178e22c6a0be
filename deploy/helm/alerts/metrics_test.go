package alerts

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

// documented are the metrics of docs/DAEMON.md, each with its labels.
func documented(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("../../../docs/DAEMON.md")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `openim_dr_.*$").FindAllString(string(text), -1) {
		for _, metric := range regexp.MustCompile("`(openim_dr_[a-z_]+)(?:\\{([a-z_,]+)\\})?`").FindAllStringSubmatch(row, -1) {
			all[metric[1]] = strings.FieldsFunc(metric[2], func(r rune) bool { return r == ',' })
		}
	}
	if len(all) == 0 {
		t.Fatal("docs/DAEMON.md has no table of metrics")
	}
	// What client_golang adds.
	for _, name := range []string{"process_resident_memory_bytes", "process_cpu_seconds_total", "go_memstats_heap_inuse_bytes"} {
		all[name] = nil
	}
	return all
}

// requireKnown fails for a metric, or a label of it, that the daemon does not have.
func requireKnown(t *testing.T, what, query string, known map[string][]string) {
	t.Helper()
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		name := selector.Name
		for _, suffix := range []string{"_bucket", "_count", "_sum"} {
			if _, ok := known[name]; !ok {
				name = strings.TrimSuffix(name, suffix)
			}
		}
		labels, ok := known[name]
		if !ok {
			t.Errorf("%s asks for %s, which the daemon does not have", what, selector.Name)
		}
		for _, m := range selector.LabelMatchers {
			if ofScrape := []string{"__name__", "namespace", "job"}; !slices.Contains(ofScrape, m.Name) && !slices.Contains(labels, m.Name) {
				t.Errorf("%s asks for %s by %s, and its labels are %q", what, selector.Name, m.Name, labels)
			}
		}
		return nil
	})
}

func TestAlertsAskForWhatThereIs(t *testing.T) {
	known := documented(t)
	for name, rule := range readRules(t) {
		requireKnown(t, name, rule.Expr, known)
	}
}

// dashboard is what a test needs of Grafana's format.
type dashboard struct {
	Title      string
	Templating struct {
		List []struct{ Name, Type string }
	}
	Panels []struct {
		ID         int
		Type       string
		Title      string
		Datasource struct{ UID string }
		GridPos    struct{ X, Y, W, H int }
		Targets    []struct{ Expr, LegendFormat string }
	}
}

func TestDashboardAsksForWhatThereIs(t *testing.T) {
	data, err := os.ReadFile("../openim-dr/files/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var board dashboard
	if err := json.Unmarshal(data, &board); err != nil {
		t.Fatal(err)
	}
	// Nothing has to be chosen when it is imported.
	if strings.Contains(string(data), "__inputs") {
		t.Error("it asks for inputs")
	}
	var variables []string
	for _, v := range board.Templating.List {
		variables = append(variables, v.Name)
	}
	known, seen := documented(t), map[int]bool{}
	for i, p := range board.Panels {
		if seen[p.ID] {
			t.Errorf("two panels have the id %d", p.ID)
		}
		seen[p.ID] = true
		if p.Type != "row" && (p.Datasource.UID != "${datasource}" || len(p.Targets) == 0) {
			t.Errorf("panel %q asks nobody for anything", p.Title)
		}
		for _, other := range board.Panels[i+1:] {
			a, b := p.GridPos, other.GridPos
			if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("panels %q and %q lie on one another", p.Title, other.Title)
			}
		}
		for _, target := range p.Targets {
			for _, used := range regexp.MustCompile(`\$(\w+)`).FindAllStringSubmatch(target.Expr, -1) {
				if !slices.Contains(variables, used[1]) {
					t.Errorf("panel %q uses the variable %s, which is not defined", p.Title, used[0])
				}
			}
			requireKnown(t, "panel "+p.Title, target.Expr, known)
		}
	}
}

// TestEveryAlertHasARunbook: the chart gives each a link to its heading.
func TestEveryAlertHasARunbook(t *testing.T) {
	text, err := os.ReadFile("../../../docs/ALERTS.md")
	if err != nil {
		t.Fatal(err)
	}
	all := readRules(t)
	for name, rule := range all {
		heading := "\n### " + name + "\n\n"
		_, section, found := strings.Cut(string(text), heading)
		want := map[string]string{"critical": "*Critical.*", "warning": "*Warning.*"}[rule.Labels["severity"]]
		if !found || !strings.HasPrefix(section, want) {
			t.Errorf("docs/ALERTS.md has no section %s that begins with %s", name, want)
		}
	}
	for _, heading := range regexp.MustCompile(`(?m)^### (\w+)$`).FindAllStringSubmatch(string(text), -1) {
		if _, ok := all[heading[1]]; !ok {
			t.Errorf("docs/ALERTS.md has a section %s, and there is no such alert", heading[1])
		}
	}
}
