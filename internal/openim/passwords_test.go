package openim

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/source"
)

func TestPasswordsThatAreNotWellKept(t *testing.T) {
	tests := map[string]struct {
		kind, key, text string
		plain, known    bool
	}{
		"YAML in a ConfigMap":                  {"ConfigMap", "config.yaml", config33, true, false},
		"YAML in a Secret":                     {"Secret", "config.yaml", config33, false, false},
		"a default in a ConfigMap":             {"ConfigMap", "openim-api.yml", "secret: openIM123\n", true, true},
		"a default in a Secret's YAML":         {"Secret", "mongodb.yml", "password: openIM123\n", false, true},
		"a default as a Secret's value":        {"Secret", "mongo-password", "openIM123\n", false, true},
		"another password that holds it":       {"Secret", "mongo-password", "openIM1234", false, false},
		"a user of that name":                  {"Secret", "username", "openIM123", false, false},
		"an environment":                       {"ConfigMap", "env", "A=b\nexport MYSQL_PASSWORD=\"hunter2\"\n", true, false},
		"MySQL's configuration":                {"ConfigMap", "my.cnf", "[client]\npassword = hunter2\n", true, false},
		"a key of the ConfigMap itself":        {"ConfigMap", "REDIS_PASSWORD", "hunter2", true, false},
		"JSON with keys in a list":             {"ConfigMap", "s3.json", `{"identities":[{"credentials":[{"accessKey":"a","secretKey":"hunter2"}]}]}`, true, false},
		"a second document":                    {"ConfigMap", "all.yaml", "kind: A\n---\nkind: B\npassword: hunter2\n", true, false},
		"a file within values":                 {"ConfigMap", "values.yaml", "config: |\n  mongo:\n    password: hunter2\n", true, false},
		"assignments within values":            {"ConfigMap", "values.yaml", "env: |\n  A=b\n  MYSQL_PASSWORD=hunter2\n", true, false},
		"the environment of a container":       {"ConfigMap", "pod.yaml", "env:\n- {name: A, value: b}\n- {name: MYSQL_PASSWORD, value: hunter2}\n", true, false},
		"an environment from a Secret":         {"ConfigMap", "pod.yaml", "env: [{name: MYSQL_PASSWORD, valueFrom: {secretKeyRef: {name: a, key: b}}}]\n", false, false},
		"a number":                             {"ConfigMap", "config.yaml", "redis: {password: 123456}\n", true, false},
		"a token":                              {"ConfigMap", "push.yaml", "getui: {pushToken: hunter2}\n", true, false},
		"how long tokens hold":                 {"ConfigMap", "config.yaml", "tokenPolicy: {expire: 90}\ntokenExpire: 3600\n", false, false},
		"the checklist's SeaweedFS":            {"Secret", "s3.json", `{"identities":[{"credentials":[{"accessKey":"admin","secretKey":"admin123"}]}]}`, false, true},
		"an empty one":                         {"ConfigMap", "config.yaml", "redis: {password: ''}\n", false, false},
		"one that is put there later":          {"ConfigMap", "config.yaml", "redis: {password: $REDIS_PASSWORD}\n", false, false},
		"the name of a Secret":                 {"ConfigMap", "config.yaml", "mysql: {secretName: hunter2, passwordFile: /run/hunter2}\n", false, false},
		"the names of Secrets of a chart":      {"ConfigMap", "values.yaml", "auth: {existingSecret: hunter2, tlsSecret: hunter2}\nimagePullSecret: hunter2\n", false, false},
		"an address with a password":           {"ConfigMap", "openim-config.yaml", "mongo: {uri: \"mongodb://root:openIM123@mongo:27017/openim\"}\n", true, true},
		"an address with a user alone":         {"ConfigMap", "openim-config.yaml", "mongo: {uri: \"mongodb://root@mongo:27017/openim\"}\n", false, false},
		"an address in an environment":         {"ConfigMap", "MONGO_URI", "mongodb://root:hunter2@mongo:27017/openim", true, false},
		"an address with a variable":           {"ConfigMap", "MONGO_URI", "mongodb://root:$PASSWORD@mongo:27017/openim", false, false},
		"a section that is named like a value": {"ConfigMap", "config.yaml", "secret: {enabled: yes}\n", false, false},
		"binary":                               {"ConfigMap", "bin", "\x00\xff=", false, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var p passwords
			p.look("openim", tt.kind, "cm", map[string][]byte{tt.key: []byte(tt.text)})
			if diff := cmp.Diff([]bool{tt.plain, tt.known}, []bool{len(p.plain) > 0, len(p.defaults) > 0}); diff != "" {
				t.Errorf("in clear, a default (-want +got):\n%s", diff)
			}
			for i, f := range p.findings(1) {
				if want := []bool{tt.plain, tt.known}[i]; want != (f.Severity == source.Warning) {
					t.Errorf("%s is %s", f.Check, f.Severity)
				}
				text := f.Evidence + f.Remedy
				if strings.Contains(text, password) || strings.Contains(text, defaultPasswords[0]) { // invariant 4
					t.Errorf("a finding quotes a password: %s", text)
				}
				if f.Severity.Bad() && !strings.Contains(f.Evidence, tt.kind+" openim/cm key "+tt.key) {
					t.Errorf("a finding does not say where: %s", f.Evidence)
				}
			}
		})
	}
}
