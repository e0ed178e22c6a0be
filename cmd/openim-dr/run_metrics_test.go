package main

import (
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

// describedMetric is how the library writes what a metric is called.
var describedMetric = regexp.MustCompile(`^Desc\{fqName: "([a-z_]+)", help: .*, constLabels: \{(.*)\}, variableLabels: \{(.*)\}\}$`)

// docs/DAEMON.md lists the metrics that a daemon has, with their labels, and no other.
// Alerts and the dashboard of the chart are held against that list.
func TestMetricsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/DAEMON.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `openim_dr_.*$").FindAllString(string(text), -1) {
		for _, metric := range regexp.MustCompile("`(openim_dr_[a-z_]+)(?:\\{([a-z_,]+)\\})?`").FindAllStringSubmatch(row, -1) {
			documented[metric[1]] = metric[2]
		}
	}
	r := newRunDaemon(newApp(strings.NewReader(""), io.Discard, io.Discard))
	registered := map[string]string{}
	descriptions := make(chan *prometheus.Desc)
	go func() { // ends with what it describes
		defer close(descriptions)
		r.registry.Describe(descriptions)
	}()
	for d := range descriptions {
		metric := describedMetric.FindStringSubmatch(d.String())
		if metric == nil || !strings.HasPrefix(metric[1], "openim_dr_") {
			continue // the Go runtime's and the process's
		}
		labels := metric[3]
		if name, _, constant := strings.Cut(metric[2], "="); constant {
			labels = name
		}
		registered[metric[1]] = labels
	}
	if diff := cmp.Diff(registered, documented); diff != "" {
		t.Errorf("metrics (-registered +documented):\n%s", diff)
	}
}
