package openim

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/source"
)

// Data calls fn with the content of each ConfigMap and Secret that is to be
// looked at.
type Data func(ctx context.Context, fn func(namespace, kind, name string, data map[string][]byte) error) error

// checkConfiguration is the check that OpenIM's configuration was found.
const checkConfiguration = "openim.configuration"

// coverage is what must be backed up with a store, and what it costs not to.
type coverage struct {
	store    store
	check    string
	called   string
	kinds    []string // any of these sources covers it
	severity source.Severity
	loss     string
	remedy   string
}

var coverages = []coverage{
	{
		mongoDB, "openim.mongodb", "MongoDB", []string{"mongodb"}, source.Error,
		"OpenIM keeps its messages there, and MySQL and buckets alone do not bring them back",
		"back MongoDB up by other means, and restore it to the same time, until a source of kind mongodb covers it",
	},
	{
		mySQL, "openim.mysql", "MySQL", []string{"mysql"}, source.Error,
		"OpenIM keeps users, groups and conversations there", "configure a source of kind mysql with its schemas",
	},
	{
		objects, "openim.objects", "an object storage", []string{"buckets"}, source.Error,
		"OpenIM keeps images, files and voice messages there", "configure a source of kind buckets with its bucket",
	},
	{
		redis, "openim.redis", "Redis or Dragonfly", []string{"redis", "dragonfly"}, source.Warning,
		"OpenIM keeps login tokens, and before version 3.8 the only copy of its sequence numbers there",
		"keep its persistence on and its volume safe; after a loss everybody logs in again, and sequence numbers have to be raised above MongoDB's before OpenIM starts",
	},
	{
		kafka, "openim.kafka", "Kafka or Redpanda", []string{"kafka", "redpanda"}, source.Info,
		"what is in its topics was accepted and is not stored yet: messages of some seconds", "before a planned move let the topics drain; what a loss takes from them is sent again by nobody",
	},
}

// Coverage finds OpenIM's configuration in a cluster and says what of the
// stores that it names no configured source covers, and which passwords are badly
// kept. Findings hold hosts and names, never credentials.
func Coverage(ctx context.Context, data Data, sources []Configured) []source.Finding {
	found := map[store][]place{}
	var unread []string
	var secrets passwords
	looked := 0
	err := data(ctx, func(namespace, kind, name string, content map[string][]byte) error {
		looked++
		secrets.look(namespace, kind, name, content)
		uses, bad := usesIn(content)
		at := func(key string) string { return fmt.Sprintf("%s %s/%s key %s", kind, namespace, name, key) }
		for _, key := range slices.Sorted(maps.Keys(uses)) {
			for _, u := range uses[key] {
				found[u.store] = append(found[u.store], place{u, at(key), namespace})
			}
		}
		for _, key := range bad {
			unread = append(unread, at(key))
		}
		return nil
	})
	findings := configurationFindings(err, looked, len(found), unread)
	for _, c := range coverages {
		if places := found[c.store]; len(places) > 0 {
			findings = append(findings, c.findings(places, sources)...)
		}
	}
	return append(findings, secrets.findings(looked)...)
}

// configurationFindings says what kept the configuration from being read.
func configurationFindings(err error, looked, stores int, unread []string) []source.Finding {
	var findings []source.Finding
	warn := func(evidence, remedy string) {
		findings = append(findings, source.Finding{Check: checkConfiguration, Severity: source.Warning, Evidence: evidence, Remedy: remedy, Unseen: true})
	}
	if err != nil {
		warn("OpenIM's configuration was not looked for to the end: "+err.Error(), "see the findings of the kubernetes source")
	}
	if len(unread) > 0 {
		warn("not readable as YAML, so nothing is known of the stores that it names: "+strings.Join(unread, ", "), "correct it, or check by hand which stores it names")
	}
	if err == nil && stores == 0 {
		warn(fmt.Sprintf("none of %d ConfigMaps and Secrets is OpenIM's configuration, so nothing is known of the stores that it uses", looked),
			"let a kubernetes source cover the namespace in which OpenIM runs, with configmaps and secrets among its kinds")
	}
	return findings
}
