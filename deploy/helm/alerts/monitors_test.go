package alerts

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"
)

// helm is the program of the testbed.
func helm(t *testing.T) string {
	t.Helper()
	environment, err := os.ReadFile("../../../.testbed/env")
	if err != nil {
		t.Skip("testbed is not running: make testbed")
	}
	for line := range strings.Lines(string(environment)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "HELM="); ok {
			return path
		}
	}
	t.Fatal("the testbed has no Helm")
	return ""
}

// TestMonitoringIsOfItsKinds: the objects for the operator of Prometheus have no field
// that it does not know, and each rule is one of those that are tested here, with a link.
func TestMonitoringIsOfItsKinds(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), helm(t), "template", "openim-dr", "../openim-dr", "--namespace", "backups", "--kube-version", "1.34.2",
		"--values", "../testdata/base.yaml", "--values", "../testdata/11-monitoring.yaml",
		"--set", "config.daemon.http.token=env:TOKEN", "--set", "config.daemon.http.certificate=file:/etc/openim-dr/tls.crt")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("helm template: %v\n%s", err, stderr.Bytes())
	}
	seen := map[string]bool{}
	for document := range strings.SplitSeq(string(output), "\n---\n") {
		var head struct{ Kind string }
		if err := yaml.Unmarshal([]byte(document), &head); err != nil {
			t.Fatal(err)
		}
		seen[head.Kind] = true
		switch head.Kind {
		case "ServiceMonitor":
			m := strict[monitoringv1.ServiceMonitor](t, document)
			requireSecured(t, m.Spec.Endpoints[0].Scheme, m.Spec.Endpoints[0].Authorization)
		case "PodMonitor":
			m := strict[monitoringv1.PodMonitor](t, document)
			requireSecured(t, m.Spec.PodMetricsEndpoints[0].Scheme, m.Spec.PodMetricsEndpoints[0].Authorization)
		case "PrometheusRule":
			requireTested(t, strict[monitoringv1.PrometheusRule](t, document))
		}
	}
	for _, kind := range []string{"ServiceMonitor", "PodMonitor", "PrometheusRule"} {
		if !seen[kind] {
			t.Errorf("there is no %s", kind)
		}
	}
}

func strict[T any](t *testing.T, document string) *T {
	t.Helper()
	into := new(T)
	if err := yaml.UnmarshalStrict([]byte(document), into); err != nil {
		t.Fatal(err)
	}
	return into
}

// requireSecured: where the daemon wants TLS and a token, Prometheus comes with both.
func requireSecured(t *testing.T, scheme *monitoringv1.Scheme, authorization *monitoringv1.SafeAuthorization) {
	t.Helper()
	if scheme == nil || *scheme != "https" && *scheme != "HTTPS" {
		t.Errorf("it asks by %v", scheme)
	}
	if authorization == nil || authorization.Credentials == nil || authorization.Credentials.Key != "TOKEN" {
		t.Errorf("it comes with %+v", authorization)
	}
}

// requireTested holds the rules of the release against those that are tested. Two of
// them the values have changed.
func requireTested(t *testing.T, rule *monitoringv1.PrometheusRule) {
	t.Helper()
	all := readRules(t)
	for _, r := range rule.Spec.Groups[0].Rules {
		source, ok := all[r.Alert]
		if !ok || r.Expr.StrVal != source.Expr {
			t.Errorf("%s asks for %s, and what is tested for %s", r.Alert, r.Expr.StrVal, source.Expr)
		}
		if want := "docs/ALERTS.md#" + strings.ToLower(r.Alert); !strings.HasSuffix(r.Annotations["runbook_url"], want) {
			t.Errorf("%s leads to %q, want %s", r.Alert, r.Annotations["runbook_url"], want)
		}
		if r.Labels["team"] != "platform" {
			t.Errorf("%s has labels %v", r.Alert, r.Labels)
		}
		delete(all, r.Alert)
		if r.Alert == "OpenimDrProofOverdue" && (string(*r.For) != "2d" || r.Labels["severity"] != "critical") {
			t.Errorf("%s was not changed: for %s, %v", r.Alert, *r.For, r.Labels)
		}
	}
	if len(all) != 1 || all["OpenimDrSourceShrunk"].Alert == "" {
		t.Errorf("besides the one that is switched off the release lacks %v", all)
	}
}
