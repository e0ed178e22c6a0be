package openim

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/source"
)

const password = "hunter2"

// As open-im-server 3.3 has it.
const config33 = `
zookeeper: {schema: openim, address: [ zookeeper:2181 ]}
mysql: {address: [ "openim-mysql:3306" ], username: root, password: hunter2, database: openIM_v3}
mongo: {uri: '', address: [ "mongo-0:27017", "mongo-1:27017" ], database: openIM_v3, username: root, password: hunter2}
redis: {address: [ "dragonfly:6379" ], username: '', password: hunter2}
object:
  enable: minio
  minio: {bucket: openim, endpoint: "http://seaweedfs-filer.seaweedfs:8333", accessKeyID: root, secretAccessKey: hunter2}
  cos: {bucketURL: "https://temp-1.cos.ap-chengdu.myqcloud.com"}
tokenPolicy: {expire: 90}
`

// one is a cluster with one ConfigMap.
func one(content map[string]string) Data {
	return func(_ context.Context, fn func(namespace, kind, name string, data map[string][]byte) error) error {
		data := map[string][]byte{}
		for key, text := range content {
			data[key] = []byte(text)
		}
		return fn("openim", "ConfigMap", "openim-cm", data)
	}
}

// ofKinds are sources of which nothing but the kind is known.
func ofKinds(kinds []string) []Configured {
	var sources []Configured
	for _, kind := range kinds {
		sources = append(sources, Configured{Kind: kind, Name: kind})
	}
	return sources
}

func TestCoverage(t *testing.T) {
	all := []string{"mysql", "buckets", "kubernetes"}
	tests := map[string]struct {
		content map[string]string
		kinds   []string
		want    []string // check and severity
		saying  []string // found in the evidence
	}{
		"stock OpenIM with all that there is": {
			map[string]string{"config.yaml": config33}, all,
			[]string{"openim.mongodb error", "openim.mysql ok", "openim.objects ok", "openim.redis warning"},
			[]string{
				"ConfigMap openim/openim-cm key config.yaml sets mongo.address to mongo-0:27017,mongo-1:27017",
				"mysql.address to openim-mysql:3306", "redis.address to dragonfly:6379", "object.minio.endpoint to seaweedfs-filer.seaweedfs:8333",
			},
		},
		"everything covered": {
			map[string]string{"config.yaml": config33}, append(all, "mongodb", "dragonfly"),
			[]string{"openim.mongodb ok", "openim.mysql ok", "openim.objects ok", "openim.redis ok"}, nil,
		},
		"nothing covered": {
			map[string]string{"config.yaml": config33}, nil,
			[]string{"openim.mongodb error", "openim.mysql error", "openim.objects error", "openim.redis warning"}, nil,
		},
		"a uri wins over an address, and its credentials stay out": {
			map[string]string{"server.conf": "mongo:\n  uri: mongodb://root:hunter2@m1:27017,m2:27017/openIM?replicaSet=rs0\n  address: [ unused:1 ]\n"}, all,
			[]string{"openim.mongodb error"}, []string{"mongo.uri to m1:27017,m2:27017"},
		},
		"a password that ought to be escaped": {
			map[string]string{"config.yaml": "mongo:\n  uri: mongodb://root:hunter2/@hunter2?@m1:27017/x\n"}, all,
			[]string{"openim.mongodb error"}, []string{"mongo.uri to m1:27017"},
		},
		"a uri that is none": {
			map[string]string{"config.yaml": "mongo: {uri: 'hunter2 hunter2'}\n"}, all,
			[]string{"openim.mongodb error"}, []string{"mongo.uri to " + withheld},
		},
		"the files of version 3.5": {
			map[string]string{
				"mongodb.yml":          "uri: ''\naddress: [ mongodb-service:27017 ]\ndatabase: openim_v3\npassword: hunter2\n",
				"redis.yml":            "address: [ redis-service:6379 ]\npassword: hunter2\n",
				"openim-rpc-third.yml": "object:\n  enable: minio\n",
				"minio.yml":            "bucket: openim\nsecretAccessKey: hunter2\n",
			}, all,
			[]string{"openim.mongodb error", "openim.objects ok", "openim.redis warning"},
			[]string{"key mongodb.yml sets address to mongodb-service:27017", "key redis.yml sets address", "object.enable to minio"},
		},
		"the values of a release of OpenIM": {
			map[string]string{valuesOfChart + "openim-server": "redis: {external: {host: dragonfly.dragonfly.svc, password: hunter2}}\nkafka: {external: {brokers: [ \"redpanda-0:9092\" ]}}\n" +
				"object: {enable: true, minio: {endpoint: \"http://seaweedfs-filer:8333\", bucket: openim, secretAccessKey: hunter2}}\nconfig: {mongo: {address: [ \"mongo:27017\" ]}}\n"}, all,
			[]string{"openim.mongodb error", "openim.objects ok", "openim.redis warning", "openim.kafka info"},
			[]string{"key values.yaml of chart openim-server sets config.mongo.address to mongo:27017", "redis.external.host to dragonfly.dragonfly.svc", "kafka.external.brokers to redpanda-0:9092", "object.minio.endpoint to seaweedfs-filer:8333 (openim)"},
		},
		"the values of another release": {
			map[string]string{valuesOfChart + "wordpress": "redis: {host: r, password: hunter2}\n"}, all,
			[]string{"openim.configuration warning"}, nil,
		},
		"a second document": {
			map[string]string{"all.yaml": "kind: A\n---\nmongo: {address: [ \"mongo:27017\" ]}\n"}, all, []string{"openim.mongodb error"}, []string{"mongo:27017"},
		},
		"Kafka": {
			map[string]string{"config.yaml": "kafka: {addr: [ \"kafka:9092\" ]}\ntokenPolicy: {expire: 90}\n"}, all, []string{"openim.kafka info"}, []string{"kafka.addr to kafka:9092", "accepted and is not stored yet"},
		},
		"MongoDB and Redis not used": {
			map[string]string{"config.yaml": "mongo: {uri: '', address: []}\nredis: {address: []}\nmysql: {address: [ m:3306 ]}\ntokenPolicy: {expire: 90}\n"}, all,
			[]string{"openim.mysql ok"}, nil,
		},
		"another program's configuration": {
			map[string]string{"config.yaml": "mysql: {address: [ m:3306 ]}\nredis: {address: [ r:6379 ]}\n", "redis.yml": "address: [ r:6379 ]\n", "binary": "\x00\xff"}, all,
			[]string{"openim.configuration warning"}, []string{"none of 1 ConfigMaps and Secrets"},
		},
		"a configuration that is no YAML": {
			map[string]string{"config.yaml": "mongo:\n  address: [ hunter2\n"}, all,
			[]string{"openim.configuration warning", "openim.configuration warning"}, []string{"key config.yaml"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			var evidence strings.Builder
			for _, f := range Coverage(t.Context(), one(tt.content), ofKinds(tt.kinds)) {
				if f.Check == checkPasswords || f.Check == checkDefaults {
					continue // they have a test of their own
				}
				got = append(got, f.Check+" "+string(f.Severity))
				evidence.WriteString(f.Evidence + "\n" + f.Remedy + "\n")
				if f.Severity != source.OK && f.Remedy == "" {
					t.Errorf("%s says nothing to do", f.Check)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			for _, text := range tt.saying {
				if !strings.Contains(evidence.String(), text) {
					t.Errorf("the findings do not say %q:\n%s", text, evidence.String())
				}
			}
			if strings.Contains(evidence.String(), password) { // invariant 4
				t.Errorf("the findings hold the password:\n%s", evidence.String())
			}
		})
	}
}

func TestCoverageSaysThatItCouldNotLook(t *testing.T) {
	unreachable := func(context.Context, func(string, string, string, map[string][]byte) error) error {
		return errors.New("no answer after 10s")
	}
	findings := Coverage(t.Context(), unreachable, ofKinds([]string{"mysql"}))
	want := []source.Finding{{
		Check: "openim.configuration", Severity: source.Warning,
		Evidence: "OpenIM's configuration was not looked for to the end: no answer after 10s", Remedy: "see the findings of the kubernetes source", Unseen: true,
	}}
	if diff := cmp.Diff(want, findings); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}
