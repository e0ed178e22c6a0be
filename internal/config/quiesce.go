package config

import (
	"path"
	"slices"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/quantity"
)

// Quiesce says which workloads `restore --quiesce` stops, and in which cluster.
// Each key has a default.
type Quiesce struct {
	Source     string            `yaml:"source,omitempty" jsonschema_description:"the source of kind kubernetes whose cluster it is; default the only one"`
	Kubeconfig string            `yaml:"kubeconfig,omitempty" jsonschema_description:"path of a kubeconfig file, instead of source"`
	Context    string            `yaml:"context,omitempty" jsonschema_description:"context of the kubeconfig; without it the current one"`
	Namespaces []string          `yaml:"namespaces,omitempty" jsonschema_description:"names or patterns of namespaces; default those of the source"`
	Timeout    quantity.Duration `yaml:"timeout,omitempty" jsonschema_description:"how long the pods of a stage may take to go; default 5m"`
	Stages     []Stage           `yaml:"stages,omitempty" jsonschema_description:"what is stopped, one stage after the other, and brought back in the opposite order; default OpenIM's own workloads"`
}

// Stage is what is stopped at the same time: by name, or by label.
type Stage struct {
	Name      string   `yaml:"name" jsonschema_description:"name of the stage in plans and messages"`
	Workloads []string `yaml:"workloads,omitempty" jsonschema_description:"names of Deployments and StatefulSets, or patterns with * and ?"`
	Selector  string   `yaml:"selector,omitempty" jsonschema_description:"label selector of Deployments and StatefulSets, instead of names"`
}

const maxQuiesceTimeout = quantity.Duration(time.Hour)

// validateQuiesce leaves to the cluster's own package what label selectors mean.
func (d *decoder) validateQuiesce(c *Config) {
	q := c.Quiesce
	if q == nil {
		return
	}
	if _, known := c.SourceNamed(q.Source); q.Source != "" && !known {
		d.problem("quiesce.source", "there is no source of that name")
	}
	if q.Source != "" && (q.Kubeconfig != "" || q.Context != "") {
		d.problem("quiesce.source", "the cluster is that of a source, or that of a kubeconfig")
	}
	if _, given := d.lines["quiesce.timeout"]; given && (q.Timeout < minLeaseLength || q.Timeout > maxQuiesceTimeout) {
		d.problem("quiesce.timeout", "it is not between %s and %s", minLeaseLength, maxQuiesceTimeout)
	}
	d.validatePatterns("quiesce.namespaces", q.Namespaces)
	if _, given := d.lines["quiesce.stages"]; given && len(q.Stages) == 0 {
		d.problem("quiesce.stages", "an empty list stops nothing; leave it out for the default")
	}
	for i, stage := range q.Stages {
		key := element("quiesce.stages", i)
		if stage.Name == "" {
			d.problem(key, "a stage needs a name")
		}
		if slices.ContainsFunc(q.Stages[:i], func(s Stage) bool { return s.Name == stage.Name }) {
			d.problem(child(key, "name"), "another stage has the same name")
		}
		if (len(stage.Workloads) == 0) == (stage.Selector == "") {
			d.problem(key, "a stage needs either workloads or a selector")
		}
		d.validatePatterns(child(key, "workloads"), stage.Workloads)
	}
}

func (d *decoder) validatePatterns(key string, patterns []string) {
	for i, pattern := range patterns {
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" || strings.Contains(pattern, "/") {
			d.problem(element(key, i), "it is neither a name nor a pattern")
		}
	}
}
