package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/openim-dr/openim-dr/internal/config"
)

func TestExampleFitsTheSchema(t *testing.T) {
	if _, err := config.Parse([]byte(config.Example), settingsOfKinds()); err != nil {
		t.Errorf("the example is not valid: %v", err)
	}
	text, err := config.Schema(settingsOfKinds())
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("config.json", plain(t, json.RawMessage(text))); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("config.json")
	if err != nil {
		t.Fatal(err)
	}
	var example any
	if err := yaml.Load([]byte(config.Example), &example); err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(plain(t, example)); err != nil {
		t.Error(err)
	}
}

func plain(t *testing.T, v any) any {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// rareSettings are those that the example leaves out.
const rareSettings = `
repository: {leaseLength: 60s}
objectives: {rpo: 1h, rto: 30m}
hooks:
- {on: failure, for: [backup, restore], command: [/c, a], timeout: 1m}
- {on: before, url: "https://h/p", headers: {X-A: "env:A"}}
targets: {t: [{name: a, kind: mysql, address: "a:1", user: u, schemas: [s]}]}
verify: {scratch: given, given: t, signingKey: "env:A", disk: 1GiB, dataDirectory: /d, sample: 5%, tolerate: {missing: 1, damaged: 1},
  assertions: [{name: n, source: a, sql: q, want: w}, {name: o, source: a, newest: s.t.c, within: 1h, zone: Asia/Shanghai}, {name: p, command: [/c], image: i, timeout: 1m}],
  references: [{source: a, query: q, bucket: b/x}]}
sources:
- {name: a, kind: mysql, address: "a:1", user: u, schemas: [s], tlsCA: f, tlsCert: f, tlsKey: f, lockWait: 5s, ddlWait: 1m, idle: 5m, noBackupLock: true, chunkSize: 1048576,
  excludeSchemas: [x], tables: {include: ["s.*"], exclude: ["s.tmp*"]}, noData: [s.t], where: {s.u: "a > 1"}, chunkKeys: {s.u: PRIMARY},
  excludeAccounts: ["x@*"], existingAccounts: keep, refusedAccounts: keep, definers: keep, binlog: auto, disableRedoLog: true}
- {name: s, kind: mysql, address: "unix:/s", user: u, schemas: [s], tls: disabled, serverPublicKey: f}
- {name: b, kind: buckets, endpoint: "http://b", buckets: [x], region: r, pathStyle: true, ca: f}
- {name: c, kind: kubernetes, kubeconfig: f, context: c, cluster: c, labelSelector: a=b, exclude: {types: [t], names: [n], namespaces: [n]}}
`

// TestNoProblemQuotesTheFile puts a secret in the place of each value and of
// each key of a file with every kind of source (invariant 4).
func TestNoProblemQuotesTheFile(t *testing.T) {
	secrets := map[string]string{"a word": "hunter2", "words": "hunter2, hunter2!", "a path": "/hunter2/x", "an address": "user:hunter2@host:1", "a pattern": "[hunter2"}
	for name, secret := range secrets {
		t.Run(name, func(t *testing.T) {
			refused := 0
			for _, file := range []string{config.Example, rareSettings} {
				var root yaml.Node
				if err := yaml.Load([]byte(file), &root); err != nil {
					t.Fatal(err)
				}
				for _, node := range scalarsOf(&root) {
					was := *node
					node.Value, node.Tag, node.Style = secret, "!!str", yaml.DoubleQuotedStyle
					refused += requireSilence(t, &root, was.Value)
					*node = was
				}
			}
			if refused < 40 {
				t.Errorf("only %d of the files were refused", refused)
			}
		})
	}
}

func requireSilence(t *testing.T, file *yaml.Node, was string) (refused int) {
	t.Helper()
	text, err := yaml.Dump(file)
	if err != nil {
		t.Fatal(err)
	}
	_, err = config.Parse(text, settingsOfKinds())
	var problems config.Problems
	if !errors.As(err, &problems) {
		return 0
	}
	for _, p := range problems {
		if strings.Contains(p.String(), "hunter2") {
			t.Errorf("in the place of %q it is quoted: %s", was, p)
		}
	}
	return 1
}

func scalarsOf(node *yaml.Node) []*yaml.Node {
	if node.Kind == yaml.ScalarNode {
		return []*yaml.Node{node}
	}
	var all []*yaml.Node
	for _, n := range node.Content {
		all = append(all, scalarsOf(n)...)
	}
	return all
}
