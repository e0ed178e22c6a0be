package config_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/hook"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/secret"
)

// store is a kind of source for these tests.
type store struct {
	Address  string        `yaml:"address"`
	Password secret.Ref    `yaml:"password,omitempty"`
	Schemas  []string      `yaml:"schemas"`
	Wait     time.Duration `yaml:"wait,omitempty"`
	Strict   *bool         `yaml:"strict,omitempty"`
	Chunk    int64         `yaml:"chunk,omitempty"`
	Exclude  struct {
		Names []string `yaml:"names,omitempty"`
	} `yaml:"exclude,omitempty"`
}

func (s *store) Validate() error {
	if !strings.Contains(s.Address, ":") {
		return fault.New(fault.Usage, "read settings of a store", "address: %q is not HOST:PORT", s.Address)
	}
	for _, name := range s.Schemas {
		if name == "sys" {
			return fmt.Errorf("schemas: %q belongs to the server", name)
		}
	}
	return nil
}

// SpeaksSQL and HoldsBucket make it both kinds of store that a drill asks for.
func (s *store) SpeaksSQL() bool { return s.Chunk != 7 }

func (s *store) HoldsBucket(name string) bool { return name == "media" }

var kinds = config.Kinds{"store": func() config.Settings { return new(store) }}

const head = `instance: prod
repository:
  url: /backups
  recipients: [age1m4w7r9cpyzsja6lesly0wgsmay3q9zddvz7hxymzkk35hudt0yeshg4vwe]
  catalogIdentity: file:/keys/catalog
  signingKey: env:SIGNING_KEY
  trustedSigners:
  - {key: RWQ7vWxGzsQ1c4LaUApktibKFmn7u84qIFktvK/HrLLGt5z97AIveZ7P, roles: [writer, operator], notAfter: 2030-01-01T00:00:00Z}
`

const tail = `sources:
- name: main
  kind: store
  address: db:3306
  password: env:PASSWORD
  schemas: [a, b]
`

func TestParse(t *testing.T) {
	c, err := config.Parse([]byte(head+tail+`  wait: 90s
  strict: false
  chunk: 5
  exclude: {names: [x]}
targets:
  dr: [{name: main, kind: store, address: "dr:1", schemas: []}]
limits: {workers: 3, memory: 32MiB}
quiesce: {source: main, namespaces: [openim], timeout: 90s, stages: [{name: entry, workloads: ["*-api"]}, {name: rest, selector: app=openim}]}
caches: [{name: redis, address: "r:6379", user: u, password: env:REDIS, tls: verify-ca, tlsCA: /ca, tlsCert: /c, tlsKey: /k, databases: [0, 3]}]
objectives: {rpo: 1h, rto: 30m}
verify:
  scratch: given
  given: dr
  identity: file:/drill
  signingKey: env:DRILL
  mysqlImage: m:1
  seaweedfsImage: w:1
  memory: 2GiB
  disk: 3GiB
  dataDirectory: /scratch
  timeLimit: 1d
  sample: 5%
  assertions:
  - {name: a, source: main, sql: SELECT 1, want: ""}
  - {name: b, source: main, newest: 'my\.s.t.c', within: 7d}
  - {name: c, rowsDrop: 0%}
  - {name: d, command: [/c, x], image: i:1, timeout: 5m}
  tolerate: {missing: 3, damaged: 1}
  references: [{source: main, query: SELECT 2, bucket: main/media}]
prices: {currency: EUR, perMonth: {hot: 0.0200, cold: "1"}}
copies: [{name: eu, url: /eu, storageClass: cold, place: berlin, maxBehind: 2d}]
hooks:
- {on: failure, for: [backup], command: [/opt/page-me, now], timeout: 30s}
- {on: before, url: "https://h/p", headers: {X-Key: "env:KEY"}}
`), kinds)
	if err != nil {
		t.Fatal(err)
	}
	no := false
	want := &store{Address: "db:3306", Password: "env:PASSWORD", Schemas: []string{"a", "b"}, Wait: 90 * time.Second, Strict: &no, Chunk: 5}
	want.Exclude.Names = []string{"x"}
	if diff := cmp.Diff(want, c.Sources[0].Settings); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&config.Prices{Currency: "EUR", PerMonth: map[string]quantity.Price{"hot": 20_000_000, "cold": 1_000_000_000}}, c.Prices); diff != "" {
		t.Errorf("prices (-want +got):\n%s", diff)
	}
	wantCopies := []config.Copy{{Name: "eu", URL: "/eu", StorageClass: "cold", Place: "berlin", MaxBehind: quantity.Duration(48 * time.Hour)}}
	if diff := cmp.Diff(wantCopies, c.Copies); diff != "" {
		t.Errorf("copies (-want +got):\n%s", diff)
	}
	if c.Instance != "prod" || c.Limits.Workers != 3 || c.Limits.Memory != 32<<20 || c.Targets["dr"][0].Name != "main" {
		t.Errorf("got %+v", c)
	}
	wantQuiesce := &config.Quiesce{
		Source: "main", Namespaces: []string{"openim"}, Timeout: quantity.Duration(90 * time.Second),
		Stages: []config.Stage{{Name: "entry", Workloads: []string{"*-api"}}, {Name: "rest", Selector: "app=openim"}},
	}
	if diff := cmp.Diff(wantQuiesce, c.Quiesce); diff != "" {
		t.Errorf("quiesce (-want +got):\n%s", diff)
	}
	wantCaches := []config.Cache{{
		Name: "redis", Address: "r:6379", User: "u", Password: "env:REDIS", TLS: "verify-ca", TLSCA: "/ca", TLSCert: "/c", TLSKey: "/k", Databases: []int{0, 3},
	}}
	if diff := cmp.Diff(wantCaches, c.Caches); diff != "" {
		t.Errorf("caches (-want +got):\n%s", diff)
	}
	empty, none := "", quantity.Percent(0)
	wantVerify := &config.Verify{
		Scratch: config.ScratchGiven, Given: "dr", Identity: "file:/drill", SigningKey: "env:DRILL", MySQLImage: "m:1", SeaweedFSImage: "w:1",
		Memory: 2 << 30, Disk: 3 << 30, DataDirectory: "/scratch", TimeLimit: quantity.Duration(24 * time.Hour), Sample: 5,
		Assertions: []config.Assertion{
			{Name: "a", Source: "main", SQL: "SELECT 1", Want: &empty},
			{Name: "b", Source: "main", Newest: config.Column{Schema: "my.s", Table: "t", Name: "c"}, Within: quantity.Duration(7 * 24 * time.Hour)},
			{Name: "c", RowsDrop: &none},
			{Name: "d", Command: []string{"/c", "x"}, Image: "i:1", Timeout: quantity.Duration(5 * time.Minute)},
		},
		Tolerate:   config.Tolerate{Missing: 3, Damaged: 1},
		References: []config.Reference{{Source: "main", Query: "SELECT 2", Bucket: "main/media"}},
	}
	if diff := cmp.Diff(wantVerify, c.Verify); diff != "" {
		t.Errorf("verify (-want +got):\n%s", diff)
	}
	hooks := []config.Hook{
		{On: hook.Failure, For: []hook.Verb{hook.Backup}, Command: []string{"/opt/page-me", "now"}, Timeout: quantity.Duration(30 * time.Second)},
		{On: hook.Before, URL: "https://h/p", Headers: map[string]secret.Ref{"X-Key": "env:KEY"}},
	}
	if diff := cmp.Diff(hooks, c.Hooks); diff != "" {
		t.Errorf("hooks (-want +got):\n%s", diff)
	}
	if got := c.Objectives; got.RPO.Duration() != time.Hour || got.RTO.Duration() != 30*time.Minute {
		t.Errorf("objectives %+v", got)
	}
	if got := c.Repository.TrustedSigners[0].NotAfter.Year(); got != 2030 {
		t.Errorf("signer valid until %d, want 2030", got)
	}
}

func TestProblems(t *testing.T) {
	t.Setenv("OPENIM_DR_TEST_URL", "hunter2:secret")
	without := func(line string) string {
		kept := strings.SplitAfter(head+tail, "\n")
		for i, l := range kept {
			if strings.Contains(l, line) {
				kept[i] = "\n"
			}
		}
		return strings.Join(kept, "")
	}
	instead := func(old, with string) string { return strings.Replace(head+tail, old, with, 1) }
	tests := map[string]struct {
		file string
		want string
	}{
		"unknown key":                  {head + tail + "hunter2: 1\n", "line 15: unknown key; known here are caches, copies, daemon, heartbeat, hooks, instance, limits, notifications, objectives, prices, quiesce, repository, retention, schedules, sources, targets, verify"},
		"misspelt key":                 {head + tail + "retentoin: {last: 1}\n", "line 15: unknown key; is retention meant? known here are caches, "},
		"unknown nested key":           {instead("  url:", "  hunter2: 1\n  url:"), "line 3: repository: unknown key; known here are catalogIdentity"},
		"unknown key of a source":      {head + tail + "  hunter2: 1\n", "line 15: sources[0]: unknown key; known here are address"},
		"key of a later version":       {strings.Replace(head, "repository:\n", "repository:\n  control: x\n", 1) + tail, "repository.control: it is not in this version"},
		"schedule without a name":      {head + tail + "schedules: [{cron: \"0 2 * * *\", sources: [main]}]\n", "line 15: schedules[0]: a schedule needs a name"},
		"schedule of another's stream": {head + tail + "schedules: [{name: manual, cron: \"0 2 * * *\", sources: [main]}]\n", "line 15: schedules[0].name: points of that stream are taken by others"},
		"schedule without a cron":      {head + tail + "schedules: [{name: a, sources: [main]}]\n", "line 15: schedules[0]: a schedule needs a cron expression"},
		"no cron expression":           {head + tail + "schedules: [{name: a, cron: hunter2 * * * *, sources: [main]}]\n", "line 15: schedules[0].cron: it is no cron expression such as"},
		"a zone that is not":           {head + tail + "schedules: [{name: a, cron: CRON_TZ=Mars/hunter2 0 0 * * *, sources: [main]}]\n", "line 15: schedules[0].cron: it names no time zone"},
		"schedule of nothing":          {head + tail + "schedules: [{name: a, cron: \"@daily\"}]\n", "line 15: schedules[0]: it needs one of sources, verify, prune, copy and check, and has 0"},
		"schedule of two things":       {head + tail + "retention: {last: 1}\nschedules: [{name: a, cron: \"@daily\", sources: [main], prune: true}]\n", "line 16: schedules[0]: it needs one of sources, verify, prune, copy and check, and has 2"},
		"schedule of no source":        {head + tail + "schedules: [{name: a, cron: \"@daily\", sources: [hunter2]}]\n", "line 15: schedules[0].sources[0]: there is no source of that name"},
		"schedule without retention":   {head + tail + "schedules: [{name: a, cron: \"@daily\", prune: true}]\n", "line 15: schedules[0].prune: it needs retention"},
		"schedule of no copy":          {head + tail + "schedules: [{name: a, cron: \"@daily\", copy: hunter2}]\n", "line 15: schedules[0].copy: there is no copy of that name"},
		"drill without a key":          {head + tail + "schedules: [{name: a, cron: \"@daily\", verify: latest}]\n", "line 15: schedules[0].verify: a drill needs a private key"},
		"a check of too many parts":    {head + tail + "schedules: [{name: a, cron: \"@daily\", check: 1/367}]\n", "line 15: schedules[0].check: it is not listing, all, or a part"},
		"a word that is not known":     {head + tail + "schedules: [{name: a, cron: \"@daily\", sources: [main], catchUp: hunter2}]\n", "line 15: schedules[0].catchUp: it is not one of once, none"},
		"two schedules of one name":    {head + tail + "schedules: [{name: a, cron: \"@daily\", sources: [main]}, {name: a, cron: \"@daily\", sources: [main]}]\n", "line 15: schedules[1].name: another schedule has the same name"},
		"two copies of one name":       {head + tail + "copies: [{name: eu, url: a}, {name: eu, url: hunter2}]\n", "line 15: copies[1].name: another copy has the same name"},
		"copy named any":               {head + tail + "copies: [{name: any, url: a}]\n", "line 15: copies[0].name: --from means something else by that"},
		"copy that is the repository":  {head + tail + "copies: [{name: eu, url: /backups}]\n", "line 15: copies[0].url: it is the repository itself"},
		"copy with a password":         {head + tail + "copies: [{name: eu, url: \"https://u:hunter2@host/a\"}]\n", "line 15: copies[0].url: it holds a user or password"},
		"copy with a parameter":        {head + tail + "copies: [{name: eu, url: \"s3://b/p?secretKey=hunter2\"}]\n", "line 15: copies[0].url: the URL may set endpoint, region and pathStyle (true or false), and nothing else: s3://BUCKET/PREFIX?endpoint="},
		"copy without a place":         {head + tail + "copies: [{name: eu}]\n", "line 15: copies[0]: a copy needs a url"},
		"copy that keeps nothing":      {head + tail + "copies: [{name: eu, url: a, retention: {last: 0}}]\n", "line 15: copies[0].retention: it keeps nothing"},
		"retention that keeps nothing": {head + tail + "retention: {last: 0, grace: 1h}\n", "line 15: retention: it keeps nothing: one of last, hourly"},
		"retention of less":            {head + tail + "retention: {last: 1, weekly: -1}\n", "line 15: retention.weekly: it is less than nothing"},
		"retention of no zone":         {head + tail + "retention: {last: 1, zone: hunter2}\n", "line 15: retention.zone: it is not a zone"},
		"retention of this machine":    {head + tail + "retention: {last: 1, zone: Local}\n", "line 15: retention.zone: it is not a zone"},
		"retention by no share":        {head + tail + "retention: {last: 1, maxDeleteShare: 0.3}\n", "line 15: retention.maxDeleteShare: it is not a share"},
		"a price of nothing said":      {head + tail + "prices: {currency: USD, perMonth: {a: 1}}\n", "line 15: prices: it would do nothing: neither the repository nor a copy says its storageClass"},
		"a price in no currency":       {instead("  url:", "  storageClass: a\n  url:") + "prices: {perMonth: {a: 1}}\n", "line 16: prices: it needs a currency"},
		"prices of nothing":            {instead("  url:", "  storageClass: a\n  url:") + "prices: {currency: USD}\n", "line 3: repository.storageClass: prices.perMonth has no such class"},
		"no price":                     {instead("  url:", "  storageClass: a\n  url:") + "prices: {currency: USD, perMonth: {a: hunter2}}\n", "line 16: prices.perMonth.(entry in line 16): it is not a price"},
		"a class without prices":       {head + tail + "copies: [{name: eu, url: a, storageClass: hunter2}]\n", "line 15: copies[0].storageClass: prices.perMonth has no such class"},
		"no distance":                  {head + tail + "copies: [{name: eu, url: a, maxBehind: hunter2}]\n", "line 15: copies[0].maxBehind: it is not a duration"},
		"no rate":                      {head + tail + "limits: {bandwidth: hunter2}\n", "line 15: limits.bandwidth: it is not a rate"},
		"no frequency":                 {head + tail + "limits: {requests: hunter2}\n", "line 15: limits.requests: it is not a frequency"},
		"no such election":             {head + tail + "daemon: {election: hunter2}\n", "line 15: daemon.election: it is not one of repository, kubernetes"},
		"Lease that elects nobody":     {head + tail + "daemon: {lease: {name: hunter2}}\n", "line 15: daemon.lease: it would do nothing"},
		"Lease that is too short":      {head + tail + "daemon: {election: kubernetes, lease: {length: 1s}}\n", "line 15: daemon.lease.length: it is not a number of whole seconds between 5s and 10m0s"},
		"no promise":                   {head + tail + "objectives: {rto: 0s}\n", "line 15: objectives.rto: it is not more than nothing"},
		"notification without name":    {head + tail + "notifications: [{url: \"env:OPENIM_DR_TEST_NONE\"}]\n", "line 15: notifications[0]: a notification needs a name"},
		"notification twice":           {head + tail + "notifications:\n- {name: a, url: \"env:OPENIM_DR_TEST_NONE\"}\n- {name: a, url: \"env:OPENIM_DR_TEST_NONE\"}\n", "line 17: notifications[1].name: another notification has the same name"},
		"notification in the clear":    {head + tail + "notifications: [{name: a, url: \"slack://hunter2\"}]\n", "line 15: notifications[0].url: a secret is given as"},
		"notification to nobody":       {head + tail + "notifications: [{name: a}]\n", "line 15: notifications[0]: it needs a url"},
		"notification of no URL":       {head + tail + "notifications: [{name: a, url: \"env:OPENIM_DR_TEST_URL\"}]\n", "line 15: notifications[0].url: what it refers to is not right: its scheme is none of bark"},
		"notification on nothing":      {head + tail + "notifications: [{name: a, url: \"env:OPENIM_DR_TEST_NONE\", on: []}]\n", "line 15: notifications[0].on: it names nothing"},
		"notification on no event":     {head + tail + "notifications: [{name: a, url: \"env:OPENIM_DR_TEST_NONE\", on: [failure, hunter2]}]\n", "line 15: notifications[0].on[1]: it is not one of [failure recovery"},
		"notification of no severity":  {head + tail + "notifications: [{name: a, url: \"env:OPENIM_DR_TEST_NONE\", minSeverity: hunter2}]\n", "line 15: notifications[0].minSeverity: it is not one of warning, critical"},
		"reminders all the time":       {head + tail + "notifications: [{name: a, url: \"env:OPENIM_DR_TEST_NONE\", remindAfter: 1m}]\n", "line 15: notifications[0].remindAfter: it is less than 10m"},
		"heartbeat of no URL":          {head + tail + "heartbeat: {url: \"env:OPENIM_DR_TEST_URL\"}\n", "line 15: heartbeat.url: what it refers to is not right: it is no URL"},
		"heartbeat without pause":      {head + tail + "heartbeat: {url: \"env:OPENIM_DR_TEST_NONE\", every: 1s}\n", "line 15: heartbeat.every: it is not between 1m"},
		"hook of no event":             {head + tail + "hooks: [{on: hunter2, command: [x]}]\n", "line 15: hooks[0].on: it is not one of [before success failure]"},
		"hook without an event":        {head + tail + "hooks:\n- command: [x]\n", "line 16: hooks[0].on: it is not one of"},
		"hook of no verb":              {head + tail + "hooks: [{on: before, for: [hunter2], command: [x]}]\n", "line 15: hooks[0].for[0]: it is not one of [backup restore verify]"},
		"hook that calls nothing":      {head + tail + "hooks: [{on: before}]\n", "line 15: hooks[0]: it needs a command or a url, and not both"},
		"hook that calls two":          {head + tail + "hooks: [{on: before, command: [x], url: \"https://h\"}]\n", "line 15: hooks[0]: it needs a command or a url"},
		"hook without a program":       {head + tail + "hooks: [{on: before, command: [\"\", hunter2]}]\n", "line 15: hooks[0].command: it begins with no program"},
		"hook without a limit":         {head + tail + "hooks: [{on: before, command: [x], timeout: 0s}]\n", "line 15: hooks[0].timeout: it is not between 1s and 1h0m0s"},
		"hook with a user":             {head + tail + "hooks: [{on: before, url: \"https://me:hunter2@h/\"}]\n", "line 15: hooks[0].url: it is neither a URL"},
		"header of a command":          {head + tail + "hooks: [{on: before, command: [x], headers: {A: env:A}}]\n", "line 15: hooks[0].headers: only a request has headers"},
		"header in plain text":         {head + tail + "hooks: [{on: before, url: \"https://h\", headers: {A: hunter2}}]\n", "line 15: hooks[0].headers.(entry in line 15): a secret is given as"},
		"header without a value":       {head + tail + "hooks: [{on: before, url: \"https://h\", headers: {A: \"\"}}]\n", "line 15: hooks[0].headers.(entry in line 15): it is empty"},
		"header of no name":            {head + tail + "hooks: [{on: before, url: \"https://h\", headers: {\"hunter2:\": env:A}}]\n", "line 15: hooks[0].headers.(entry in line 15): it is no name of a header"},
		"key twice":                    {head + tail + "instance: hunter2\n", "line 15: the key stands in line 1 already"},
		"plain secret":                 {instead("env:PASSWORD", "hunter2"), "line 13: sources[0].password: a secret is given as"},
		"private key as recipient":     {instead("age1m4w7r9cpyzsja6lesly0wgsmay3q9zddvz7hxymzkk35hudt0yeshg4vwe", "AGE-SECRET-KEY-1HUNTER2"), "line 4: repository.recipients[0]: this is a private key"},
		"broken recipient":             {instead("age1m4w", "age1hunter2"), "line 4: repository.recipients[0]: it is not a public age key"},
		"broken signer":                {instead("RWQ7vWx", "hunter2"), "line 8: repository.trustedSigners[0].key: it is not a minisign public key"},
		"unknown role":                 {instead("[writer, operator]", "[hunter2]"), "line 8: repository.trustedSigners[0].roles[0]: it is not one of [writer pruner drill operator]"},
		"time":                         {instead("2030-01-01T00:00:00Z", "hunter2"), "line 8: repository.trustedSigners[0].notAfter: it is not a time"},
		"recipients of two classes": {
			instead("[age1m", "[age1pq1hunter2, age1m"), "line 4: repository.recipients[0]: it is not a public age key"},
		"no instance":              {without("instance:"), "line 2: instance: it is required"},
		"no catalog identity":      {without("catalogIdentity"), "line 2: repository.catalogIdentity: it is required"},
		"no sources":               {head, "line 1: sources: name at least one source"},
		"no kind":                  {without("kind: store"), "line 10: sources[0]: a source needs a kind: one of store"},
		"unknown kind":             {instead("kind: store", "kind: hunter2"), "line 11: sources[0].kind: it is no kind of source"},
		"name twice":               {head + tail + "- {name: main, kind: store, address: \"hunter2:1\", schemas: []}\n", "line 15: sources[1].name: sources[0] has the same name"},
		"setting quoted by a kind": {instead("db:3306", "hunter2"), "line 12: sources[0].address: it is not HOST:PORT"},
		"entry quoted by a kind":   {instead("[a, b]", "\n  - a\n  - sys"), "line 16: sources[0].schemas: it belongs to the server"},
		"list for a text":          {instead("db:3306", "[hunter2]"), "line 12: sources[0].address: it is not a text"},
		"text for a list":          {instead("[a, b]", "hunter2"), "line 14: sources[0].schemas: it is not a list"},
		"text for a mapping":       {head + "sources: [hunter2]\n", "line 9: sources[0]: it is not a mapping"},
		"null":                     {instead("db:3306", ""), "line 12: sources[0].address: it has no value"},
		"word for a number":        {head + tail + "limits: {workers: hunter2}\n", "line 15: limits.workers: it is not a whole number"},
		"number out of range":      {head + tail + "limits: {workers: 0}\n", "line 15: limits.workers: it is not between 1 and 256"},
		"no size":                  {head + tail + "limits: {memory: hunter2}\n", "line 15: limits.memory: it is not a size"},
		"alias":                    {head + tail + "limits: &hunter2 {workers: 1}\n", "line 15: limits: anchors and aliases"},
		"unknown alias":            {head + tail + "limits: *hunter2\n", "line 15: it is not one YAML document"},
		"an unknown scheme":        {instead("/backups", "hunter2://bucket/x"), "line 3: repository.url: this version of openim-dr knows no storage of that scheme"},
		"a wrong endpoint":         {instead("/backups", "s3://bucket/x?endpoint=hunter2"), "line 3: repository.url: the endpoint is no URL such as https://HOST:PORT"},
		"credentials in the URL":   {instead("/backups", "gs://me:hunter2@bucket/x"), "line 3: repository.url: it holds a user or password"},
		"target of another kind":   {head + tail + "targets:\n  dr:\n  - {name: hunter2, kind: nothing}\n", "line 17: targets.(entry in line 16)[0].kind: it is no kind"},
		"not YAML":                 {head + tail + "\thunter2\n", "line 15: it is not YAML: found character that cannot start any token"},
		"unclosed quote":           {head + "sources: \"hunter2\n", "line 10: it is not YAML"},
		"empty":                    {"", "line 1: it is not one YAML document"},
		"two documents":            {head + tail + "---\nhunter2: 1\n", "it is not"},
		"quiesce of no source":     {head + tail + "quiesce: {source: hunter2}\n", "line 15: quiesce.source: there is no source of that name"},
		"quiesce of two clusters":  {head + tail + "quiesce: {source: main, context: hunter2}\n", "line 15: quiesce.source: the cluster is that of a source, or"},
		"quiesce without an end":   {head + tail + "quiesce: {timeout: 2d}\n", "line 15: quiesce.timeout: it is not between"},
		"no stages":                {head + tail + "quiesce: {stages: []}\n", "line 15: quiesce.stages: an empty list stops nothing"},
		"a stage of nothing":       {head + tail + "quiesce: {stages: [{name: hunter2}]}\n", "line 15: quiesce.stages[0]: a stage needs either"},
		"a stage without a name":   {head + tail + "quiesce: {stages: [{selector: hunter2}]}\n", "line 15: quiesce.stages[0]: a stage needs a name"},
		"a stage twice":            {head + tail + "quiesce:\n  stages:\n  - {name: hunter2, selector: a}\n  - {name: hunter2, selector: b}\n", "line 18: quiesce.stages[1].name: another stage"},
		"a namespace with a slash": {head + tail + "quiesce: {namespaces: [hunter2/]}\n", "line 15: quiesce.namespaces[0]: it is neither"},
		"a cache without a name":   {head + tail + "caches: [{address: \"hunter2:1\"}]\n", "line 15: caches[0]: a cache needs a name"},
		"a cache twice":            {head + tail + "caches:\n- {name: hunter2, address: \"a:1\"}\n- {name: hunter2, address: \"a:1\"}\n", "line 17: caches[1].name: another cache"},
		"no address of a cache":    {head + tail + "caches: [{name: hunter2, address: hunter2}]\n", "line 15: caches[0].address: it is not HOST:PORT"},
		"a cache's plain password": {head + tail + "caches: [{name: a, address: \"a:1\", password: hunter2}]\n", "line 15: caches[0].password: a secret is given as"},
		"a user without password":  {head + tail + "caches: [{name: a, address: \"a:1\", user: hunter2}]\n", "line 15: caches[0].user: it needs a password"},
		"no mode of TLS":           {head + tail + "caches: [{name: a, address: \"a:1\", tls: hunter2}]\n", "line 15: caches[0].tls: it is not one of"},
		"an authority unused":      {head + tail + "caches: [{name: a, address: \"a:1\", tls: required, tlsCA: hunter2}]\n", "line 15: caches[0].tlsCA: nothing is verified"},
		"half a certificate":       {head + tail + "caches: [{name: a, address: \"a:1\", tls: required, tlsKey: hunter2}]\n", "line 15: caches[0].tlsKey: it needs tlsCert beside it"},
		"a certificate unused":     {head + tail + "caches: [{name: a, address: \"a:1\", tlsCert: hunter2, tlsKey: hunter2}]\n", "line 15: caches[0].tlsCert: no certificate is shown"},
		"a database twice":         {head + tail + "caches: [{name: a, address: \"a:1\", databases: [1, 1]}]\n", "line 15: caches[0].databases[1]: it is not a number"},
		"no scratch":               {head + tail + "verify: {scratch: hunter2}\n", "line 15: verify.scratch: it is neither docker nor given"},
		"nothing given":            {head + tail + "verify: {scratch: given}\n", "line 15: verify.scratch: it needs the name of an entry of targets"},
		"given by nobody":          {head + tail + "verify: {given: hunter2}\n", "line 15: verify.given: targets has no entry of that name"},
		"a plain identity":         {head + tail + "verify: {identity: hunter2}\n", "line 15: verify.identity: a secret is given as"},
		"little memory":            {head + tail + "verify: {memory: 1MiB}\n", "line 15: verify.memory: it is less than 1536MiB"},
		"little disk":              {head + tail + "verify: {disk: 1MiB}\n", "line 15: verify.disk: it is less than 1GiB"},
		"a relative directory":     {head + tail + "verify: {dataDirectory: hunter2}\n", "line 15: verify.dataDirectory: it is no absolute path"},
		"a drill without an end":   {head + tail + "verify: {timeLimit: 30d}\n", "line 15: verify.timeLimit: it is not between 1m0s and 7d"},
		"a sample of nothing":      {head + tail + "verify: {sample: 0%}\n", "line 15: verify.sample: it is not more than nothing"},
		"a sample above all":       {head + tail + "verify: {sample: 101%}\n", "line 15: verify.sample: it is not a share"},
		"tolerance below nothing":  {head + tail + "verify: {tolerate: {missing: -1}}\n", "line 15: verify.tolerate.missing: it is less than nothing"},
		"an assertion of nothing":  {head + tail + "verify: {assertions: [{name: hunter2, source: main}]}\n", "line 15: verify.assertions[0]: it needs exactly one of sql, newest, rowsDrop and command"},
		"an assertion of two":      {head + tail + "verify: {assertions: [{name: a, source: main, sql: hunter2, rowsDrop: 0%}]}\n", "line 15: verify.assertions[0]: it needs exactly one of"},
		"an assertion, no name":    {head + tail + "verify: {assertions: [{source: main, sql: hunter2}]}\n", "line 15: verify.assertions[0]: an assertion needs a name"},
		"an assertion twice":       {head + tail + "verify:\n  assertions:\n  - {name: hunter2, rowsDrop: 1%}\n  - {name: hunter2, rowsDrop: 1%}\n", "line 18: verify.assertions[1].name: another assertion"},
		"sql for nobody":           {head + tail + "verify: {assertions: [{name: a, sql: hunter2}]}\n", "line 15: verify.assertions[0].source: it is required"},
		"sql for a stranger":       {head + tail + "verify: {assertions: [{name: a, source: hunter2, sql: x}]}\n", "line 15: verify.assertions[0].source: there is no source of that name"},
		"sql for what has none":    {head + tail + "  chunk: 7\nverify: {assertions: [{name: a, source: main, sql: hunter2}]}\n", "line 16: verify.assertions[0].source: the source of that name answers no SQL"},
		"a value without sql":      {head + tail + "verify: {assertions: [{name: a, rowsDrop: 1%, want: hunter2}]}\n", "line 15: verify.assertions[0].want: it goes with sql"},
		"no column":                {head + tail + "verify: {assertions: [{name: a, source: main, newest: hunter2.t, within: 1h}]}\n", "line 15: verify.assertions[0].newest: it is not SCHEMA.TABLE.COLUMN"},
		"a column of five":         {head + tail + "verify: {assertions: [{name: a, source: main, newest: hunter2.t.c.d.e, within: 1h}]}\n", "line 15: verify.assertions[0].newest: it is not SCHEMA.TABLE.COLUMN"},
		"newest of any age":        {head + tail + "verify: {assertions: [{name: a, source: main, newest: hunter2.t.c}]}\n", "line 15: verify.assertions[0]: newest needs within"},
		"a zone of nothing":        {head + tail + "verify: {assertions: [{name: a, rowsDrop: 1%, zone: UTC}]}\n", "line 15: verify.assertions[0].zone: it goes with newest"},
		"no zone":                  {head + tail + "verify: {assertions: [{name: a, source: main, newest: s.t.c, within: 1h, zone: hunter2}]}\n", "line 15: verify.assertions[0].zone: it is no IANA time zone"},
		"an age of nothing":        {head + tail + "verify: {assertions: [{name: a, rowsDrop: 1%, within: 1h}]}\n", "line 15: verify.assertions[0].within: it goes with newest"},
		"rows of a stranger":       {head + tail + "verify: {assertions: [{name: a, source: hunter2, rowsDrop: 1%}]}\n", "line 15: verify.assertions[0].source: there is no source of that name"},
		"an image of nothing":      {head + tail + "verify: {assertions: [{name: a, rowsDrop: 1%, image: hunter2}]}\n", "line 15: verify.assertions[0].image: it goes with command"},
		"a time of nothing":        {head + tail + "verify: {assertions: [{name: a, rowsDrop: 1%, timeout: 1m}]}\n", "line 15: verify.assertions[0].timeout: it goes with command"},
		"a command of one source":  {head + tail + "verify: {assertions: [{name: a, source: main, command: [hunter2]}]}\n", "line 15: verify.assertions[0].source: a command gets the addresses of all"},
		"a command of no program":  {head + tail + "verify: {assertions: [{name: a, command: [\"\", hunter2]}]}\n", "line 15: verify.assertions[0].command: it begins with no program"},
		"a command without end":    {head + tail + "verify: {assertions: [{name: a, command: [x], timeout: 2d}]}\n", "line 15: verify.assertions[0].timeout: it is not between 1s and 12h0m0s"},
		"references to nothing":    {head + tail + "verify: {references: []}\n", "line 15: verify.references: an empty list compares nothing"},
		"references of a stranger": {head + tail + "verify: {references: [{source: hunter2, query: q, bucket: main/media}]}\n", "line 15: verify.references[0].source: there is no source"},
		"references without query": {head + tail + "verify: {references: [{source: main, bucket: main/media}]}\n", "line 15: verify.references[0].query: it is required"},
		"references to no bucket":  {head + tail + "verify: {references: [{source: main, query: hunter2, bucket: main/hunter2}]}\n", "line 15: verify.references[0].bucket: it is not SOURCE/BUCKET"},
		"a key with a newline":     {head + tail + "\"hunter2\\n\": 1\n", "line 15: unknown key"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := config.Parse([]byte(tt.file), kinds)
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.HasPrefix(err.Error(), tt.want) && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
			var problems config.Problems
			if !errors.As(err, &problems) {
				t.Fatalf("got a %T, want Problems", err)
			}
			for _, p := range problems { // Invariant 4
				if strings.Contains(p.String(), "hunter2") {
					t.Errorf("a problem quotes the file: %s", p)
				}
			}
		})
	}
}

func TestAllProblemsInTheOrderOfLines(t *testing.T) {
	_, err := config.Parse([]byte("surplus: 1\n"+head+"sources: {}\nlimits: {workers: many}\n"), kinds)
	var problems config.Problems
	if !errors.As(err, &problems) {
		t.Fatal(err)
	}
	var lines []int
	for _, p := range problems {
		lines = append(lines, p.Line)
	}
	if diff := cmp.Diff([]int{1, 10, 11}, lines); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if !strings.HasSuffix(err.Error(), "(and 2 more)") {
		t.Errorf("got %q", err)
	}
}

func TestLoadSaysWhichFile(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none.yaml")
	_, err := config.Load(missing, kinds)
	if fault.KindOf(err) != fault.Usage || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	broken := filepath.Join(t.TempDir(), "broken.yaml")
	if err := os.WriteFile(broken, []byte("x: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = config.Load(broken, kinds)
	if e, ok := fault.Outermost(err); !ok || e.Target != broken || e.Kind != fault.Usage {
		t.Errorf("got %v", err)
	}
}

func TestLoadSources(t *testing.T) {
	path := filepath.Join(t.TempDir(), "target.yaml")
	if err := os.WriteFile(path, []byte(strings.TrimPrefix(tail, "sources:\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	sources, err := config.LoadSources(path, kinds)
	if err != nil || len(sources) != 1 || sources[0].Name != "main" {
		t.Errorf("got %+v, %v", sources, err)
	}
}

func TestSchemaKnowsWhatParseKnows(t *testing.T) {
	tests := map[string]struct {
		file  string
		valid bool
	}{
		"whole":            {head + tail + "limits: {workers: 3}\n", true},
		"unknown key":      {head + tail + "surplus: 1\n", false},
		"unknown setting":  {head + tail + "  surplus: 1\n", false},
		"plain secret":     {strings.Replace(head+tail, "env:PASSWORD", "hunter2", 1), false},
		"unknown kind":     {strings.Replace(head+tail, "kind: store", "kind: other", 1), false},
		"unknown role":     {strings.Replace(head+tail, "[writer, operator]", "[reader]", 1), false},
		"hook":             {head + tail + "hooks: [{on: before, for: [restore], url: \"env:U\", headers: {A: \"env:A\"}, timeout: 1m}]\n", true},
		"hook of no event": {head + tail + "hooks: [{on: later, command: [x]}]\n", false},
		"hook of no verb":  {head + tail + "hooks: [{on: before, for: [list], command: [x]}]\n", false},
		"hook of no URL":   {head + tail + "hooks: [{on: before, url: \"h\"}]\n", false},
		"drill": {head + tail + "verify: {sample: 5%, assertions: [{name: a, source: main, newest: s.t.c, within: 1h}, {name: b, rowsDrop: 5%}], " +
			"references: [{source: main, query: q, bucket: main/media}]}\n", true},
		"drill into nothing":        {head + tail + "verify: {scratch: other}\n", false},
		"assertion without a name":  {head + tail + "verify: {assertions: [{rowsDrop: 5%}]}\n", false},
		"newest of half a column":   {head + tail + "verify: {assertions: [{name: a, source: main, newest: s.t, within: 1h}]}\n", false},
		"reference without a query": {head + tail + "verify: {references: [{source: main, bucket: main/media}]}\n", false},
		"missing instance":          {strings.Replace(head+tail, "instance: prod", "", 1), false},
	}
	schema := compile(t, kinds)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := config.Parse([]byte(tt.file), kinds)
			if (err == nil) != tt.valid {
				t.Errorf("parse: got %v, want valid %v", err, tt.valid)
			}
			var value any
			if err := yaml.Load([]byte(tt.file), &value); err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(plainJSON(t, value)); (err == nil) != tt.valid {
				t.Errorf("schema: got %v, want valid %v", err, tt.valid)
			}
		})
	}
}

func compile(t *testing.T, kinds config.Kinds) *jsonschema.Schema {
	t.Helper()
	text, err := config.Schema(kinds)
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("config.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("config.json")
	if err != nil {
		t.Fatalf("compile: %v\n%s", err, text)
	}
	return schema
}

// plainJSON turns what YAML gives into what JSON would.
func plainJSON(t *testing.T, value any) any {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

func TestExampleKeysAreKnown(t *testing.T) {
	if !config.IsExample("age1m4w7r9cpyzsja6lesly0wgsmay3q9zddvz7hxymzkk35hudt0yeshg4vwe") ||
		!config.IsExample("RWQ7vWxGzsQ1c4LaUApktibKFmn7u84qIFktvK/HrLLGt5z97AIveZ7P") || config.IsExample("age1other") {
		t.Error("the example's keys are not told from others")
	}
}

func TestColumnIsReadAsItIsWritten(t *testing.T) {
	for _, want := range []config.Column{{Schema: "s", Table: "t", Name: "c"}, {Schema: "a.b", Table: `c\d`, Name: `\.`}, {Schema: "日", Table: " ", Name: "key"}} {
		var got config.Column
		if err := got.UnmarshalText([]byte(want.String())); err != nil || got != want {
			t.Errorf("%s: got %q, %v", want, got, err)
		}
	}
	for _, text := range []string{"", "s", "s.t", "s.t.", ".t.c", "s..c", "s.t.c.d", `s.t.c\`} {
		if err := new(config.Column).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}
