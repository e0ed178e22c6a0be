package alerts

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
)

const rulesFile = "../openim-dr/files/alerts.yaml"

// readRules reads the rules as the chart does, for a release in namespace backups.
func readRules(t *testing.T) map[string]rulefmt.Rule {
	t.Helper()
	text, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	groups, errs := rulefmt.Parse([]byte(strings.ReplaceAll(string(text), "@namespace@", "backups")), false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	all := map[string]rulefmt.Rule{}
	for _, g := range groups.Groups {
		for _, r := range g.Rules {
			all[r.Alert] = r
		}
	}
	return all
}

// series is what was scraped: one sample a step, in the notation of promtool.
type series []string

// ours is a series of the first daemon's pod.
func ours(name, labels, values string) string { return of("openim-dr-0", name, labels, values) }

func of(pod, name, labels, values string) string {
	if labels != "" {
		labels = ", " + labels
	}
	return fmt.Sprintf(`%s{namespace="backups", job="openim-dr", pod=%q%s} %s`, name, pod, labels, values)
}

// scene is what an alert makes of series: it looks at them every step.
type scene struct {
	step   time.Duration
	series series
}

func minutes(s ...string) scene { return scene{time.Minute, s} }
func hours(s ...string) scene   { return scene{time.Hour, s} }

// steps is how many samples a series has.
const steps = 240

// fired evaluates a rule at every step, and returns the alerts that were firing at
// some time, and the summary of the first one.
func fired(t *testing.T, rule rulefmt.Rule, s scene) (times int, summary string) {
	t.Helper()
	// The storage takes nothing long before the first sample it was given, and is given
	// the series of one load in any order: so time begins with a load of its own.
	load := "load " + model.Duration(s.step).String() + "\n  "
	store := promqltest.LoadedStorage(t, load+"beginning_of_time 0\n\n"+load+strings.Join(s.series, "\n  ")+"\n")
	engine := promqltest.NewTestEngine(t, false, 5*time.Minute, promqltest.DefaultMaxSamplesPerQuery)
	if s.step > time.Minute { // samples are further apart than in life
		engine = promqltest.NewTestEngine(t, false, 2*s.step, promqltest.DefaultMaxSamplesPerQuery)
	}
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(rule.Expr)
	if err != nil {
		t.Fatal(err)
	}
	alert := rules.NewAlertingRule(rule.Alert, expr, time.Duration(rule.For), 0, labels.FromMap(rule.Labels), labels.FromMap(rule.Annotations),
		labels.EmptyLabels(), "", true, slog.New(slog.DiscardHandler))
	for i := range steps {
		at := time.Unix(0, 0).Add(time.Duration(i) * s.step)
		if _, err := alert.Eval(context.Background(), 0, at, rules.EngineQueryFunc(engine, store), nil, 0); err != nil {
			t.Fatal(err)
		}
		alert.ForEachActiveAlert(func(a *rules.Alert) {
			if a.State != rules.StateFiring {
				return
			}
			times++
			if summary == "" {
				summary = a.Annotations.Get("summary")
			}
		})
	}
	return times, summary
}

func TestAlerts(t *testing.T) {
	all := readRules(t)
	for name := range all {
		if _, ok := cases[name]; !ok {
			t.Errorf("no series make %s fire", name)
		}
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rule, ok := all[name]
			if !ok {
				t.Fatal("there is no such alert")
			}
			for why, s := range c.fires {
				times, summary := fired(t, rule, s)
				if times == 0 {
					t.Errorf("it does not fire: %s", why)
				}
				if !strings.Contains(summary, c.says) || strings.Contains(summary, "{{") {
					t.Errorf("it says %q, want %q in it", summary, c.says)
				}
			}
			if len(c.silent) == 0 {
				t.Error("nothing shows when it is silent")
			}
			for why, s := range c.silent {
				if times, summary := fired(t, rule, s); times > 0 {
					t.Errorf("it fires: %s (%s)", why, summary)
				}
			}
		})
	}
}

func TestEveryAlertSaysHowBadItIs(t *testing.T) {
	for name, rule := range readRules(t) {
		if s := rule.Labels["severity"]; s != "critical" && s != "warning" {
			t.Errorf("%s has severity %q", name, s)
		}
		if rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
			t.Errorf("%s does not say what it is about", name)
		}
	}
}
