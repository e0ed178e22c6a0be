package openim

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/source"
)

// What OpenIM uses is found; whether it is what the sources capture, compared.
func TestCoverageComparesServersSchemasAndBuckets(t *testing.T) {
	holding := func(kind, address string, parts ...string) Configured {
		return Configured{Kind: kind, Name: kind, Address: address, Holds: func(part string) bool {
			for _, p := range parts {
				if p == part {
					return true
				}
			}
			return false
		}}
	}
	const endpoint = "http://seaweedfs-filer.seaweedfs:8333"
	tests := map[string]struct {
		sources []Configured
		want    []string // what is bad
		saying  string
	}{
		"all of it": {[]Configured{holding("mysql", "openim-mysql:3306", "openIM_v3"), holding("buckets", endpoint, "openim")}, nil, ""},
		"the Service's long name, and a tunnel": {
			[]Configured{holding("mysql", "openim-mysql.openim.svc.cluster.local:3306", "openIM_v3"), holding("buckets", "http://127.0.0.1:18333", "openim")}, nil, "",
		},
		"a socket or another kind without an address": {[]Configured{holding("mysql", "", "openIM_v3"), holding("buckets", "", "openim")}, nil, ""},
		"another schema": {
			[]Configured{holding("mysql", "openim-mysql:3306", "openIM_v2"), holding("buckets", endpoint, "openim")},
			[]string{"openim.mysql error"}, "openIM_v3 is captured by none of the sources mysql",
		},
		"another bucket": {
			[]Configured{holding("mysql", "openim-mysql:3306", "openIM_v3"), holding("buckets", endpoint, "openim2")},
			[]string{"openim.objects error"}, "openim is captured by none of the sources buckets",
		},
		"another server": {
			[]Configured{holding("mysql", "other-mysql:3306", "openIM_v3"), holding("buckets", endpoint, "openim")},
			[]string{"openim.mysql warning"}, "the sources mysql (other-mysql:3306) read from elsewhere",
		},
		"a name that only begins alike": {
			[]Configured{holding("mysql", "openim-mysql-2:3306", "openIM_v3"), holding("buckets", endpoint, "openim")},
			[]string{"openim.mysql warning"}, "openim-mysql-2",
		},
		"one of two sources": {
			[]Configured{holding("mysql", "other-mysql:3306", "x"), holding("mysql", "openim-mysql:3306", "openIM_v3"), holding("buckets", endpoint, "openim")}, nil, "",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			var text strings.Builder
			for _, f := range Coverage(t.Context(), one(map[string]string{"config.yaml": config33}), tt.sources) {
				text.WriteString(f.Evidence + "\n" + f.Remedy + "\n")
				if f.Severity.Bad() && (f.Check == "openim.mysql" || f.Check == "openim.objects") {
					got = append(got, f.Check+" "+string(f.Severity))
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("bad findings (-want +got):\n%s", diff)
			}
			if !strings.Contains(text.String(), tt.saying) || strings.Contains(text.String(), password) {
				t.Errorf("findings do not say %q, or say too much:\n%s", tt.saying, text.String())
			}
		})
	}
}

func TestNamesThatAreNotPlainAreNotPrinted(t *testing.T) {
	content := map[string]string{"config.yaml": "mysql: {address: [ 'm:3306' ], database: 'hunter2 hunter2'}\ntokenPolicy: {expire: 90}\n"}
	for _, f := range Coverage(t.Context(), one(content), ofKinds([]string{"mysql"})) {
		if strings.Contains(f.Evidence, password) {
			t.Errorf("%s quotes it: %s", f.Check, f.Evidence)
		}
	}
}

func TestAddressesThatMayMeanOneServer(t *testing.T) {
	tests := map[string]struct {
		used, configured string
		want             bool
	}{
		"the same":                           {"openim-mysql:3306", "openim-mysql:3306", true},
		"completed by its namespace":         {"openim-mysql:3306", "openim-mysql.openim:3306", true},
		"with the cluster's domain":          {"openim-mysql", "openim-mysql.openim.svc.cluster.local:3306", true},
		"with another cluster's domain":      {"openim-mysql.openim.svc.prod.example", "openim-mysql.openim.svc:3306", true},
		"of another namespace":               {"openim-mysql:3306", "openim-mysql.staging:3306", false},
		"of other namespaces, at length":     {"mysql.prod.svc:3306", "mysql.staging.svc:3306", false},
		"another port":                       {"openim-mysql:3306", "openim-mysql:3307", false},
		"one port is not said":               {"openim-mysql", "openim-mysql:3307", true},
		"a pod of a Service":                 {"mysql-0.mysql.openim.svc:3306", "mysql.openim.svc:3306", true},
		"one of several":                     {"m1.db:3306,m2.db:3306", "m2.db:3306", true},
		"by number":                          {"10.0.0.7:3306", "openim-mysql:3306", true},
		"by a tunnel":                        {"openim-mysql:3306", "localhost:13306", true},
		"outside of the cluster":             {"db.example.com:3306", "db.example.com:3306", true},
		"elsewhere outside of it":            {"db.example.com:3306", "db2.example.com:3306", false},
		"a name that only begins like it":    {"openim-mysql:3306", "openim-mysql-2:3306", false},
		"an address that cannot be compared": {withheld, "openim-mysql-2:3306", true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := maySame(tt.used, "openim", tt.configured); got != tt.want {
				t.Errorf("%s and %s may be one: %t, want %t", tt.used, tt.configured, got, tt.want)
			}
		})
	}
}

// The filer's own port is none of an S3 server, whatever the sources read from.
func TestObjectsThatGoToAFiler(t *testing.T) {
	c := coverages[slices.IndexFunc(coverages, func(c coverage) bool { return c.store == objects })]
	for address, want := range map[string]bool{
		"seaweedfs-filer.seaweedfs:8888": true, "seaweedfs:8888": true,
		"seaweedfs-filer.seaweedfs:8333": false, "minio:8888": false,
	} {
		p := place{use{objects, "object.minio.endpoint", address, "openim"}, "ConfigMap openim/openim key config.yaml", "openim"}
		findings := c.findings([]place{p}, []Configured{{Kind: "buckets", Name: "media", Address: "http://" + address}})
		last := findings[len(findings)-1]
		if got := last.Severity == source.Warning && strings.Contains(last.Evidence, "SeaweedFS's filer"); got != want {
			t.Errorf("%s: %+v, want it to be taken for a filer: %v", address, last, want)
		}
	}
}
