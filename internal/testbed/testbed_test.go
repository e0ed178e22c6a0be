package testbed

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func TestSchemaIsDroppedWhenTheTestEnds(t *testing.T) {
	env := Need(t)
	var schema string
	t.Run("user", func(t *testing.T) {
		schema = env.NewSchema(t)
		if _, err := env.OpenMySQL(t).ExecContext(t.Context(), "CREATE TABLE "+schema+".t (id INT PRIMARY KEY)"); err != nil {
			t.Fatal(err)
		}
	})
	var schemas int
	row := env.OpenMySQL(t).QueryRowContext(t.Context(), "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = ?", schema)
	if err := row.Scan(&schemas); err != nil {
		t.Fatal(err)
	}
	if schemas != 0 {
		t.Errorf("schema %s is still there", schema)
	}
}

func TestStartedServerIsEmptyAndTakesFlags(t *testing.T) {
	env := Need(t)
	db := env.StartMySQL(t, "--default-time-zone=-03:00", "--gtid-mode=ON", "--enforce-gtid-consistency=ON").Open(t)
	var zone, gtids string
	var schemas int
	row := db.QueryRowContext(t.Context(), `SELECT @@GLOBAL.time_zone, @@GLOBAL.gtid_executed, COUNT(*) FROM information_schema.schemata
		WHERE schema_name NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys')`)
	if err := row.Scan(&zone, &gtids, &schemas); err != nil {
		t.Fatal(err)
	}
	if zone != "-03:00" || gtids != "" || schemas != 0 {
		t.Errorf("got time zone %q, GTIDs %q and %d schemas, want -03:00, none and none", zone, gtids, schemas)
	}
}

func TestDeploymentServerKeepsABinaryLogInAnotherTimeZone(t *testing.T) {
	env := Need(t)
	var zone, gtids string
	var binlog bool
	row := env.OpenMySQL(t).QueryRowContext(t.Context(), "SELECT @@GLOBAL.time_zone, @@GLOBAL.gtid_mode, @@GLOBAL.log_bin")
	if err := row.Scan(&zone, &gtids, &binlog); err != nil {
		t.Fatal(err)
	}
	if zone != "+08:00" || gtids != "ON" || !binlog {
		t.Errorf("got time zone %q, GTIDs %q, binary log %t, want +08:00, ON, true", zone, gtids, binlog)
	}
}

func TestBucketIsRemovedWithItsObjects(t *testing.T) {
	env := Need(t)
	var bucket string
	t.Run("user", func(t *testing.T) {
		bucket = env.NewBucket(t)
		for _, key := range []string{"a/b", "a-c", "a.txt", "图片 & 50%+.png"} {
			input := &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String(key), Body: strings.NewReader(key)}
			if _, err := env.S3(t).PutObject(t.Context(), input); err != nil {
				t.Fatal(err)
			}
		}
	})
	if _, err := env.S3(t).HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: aws.String(bucket)}); err == nil {
		t.Errorf("bucket %s is still there", bucket)
	}
}

func TestControllersMakePodsAndRemoveThem(t *testing.T) {
	env := Need(t)
	w := env.NewWorkloads(t, env.NewNamespace(t))
	w.Deployment(t, "deployment", 2)
	w.StatefulSet(t, "set", 3)
	w.AwaitPods(t, "deployment", 2)
	w.AwaitPods(t, "set", 3)
	w.Bind(t, "set", "node")
	sets := env.Kubernetes(t).AppsV1().StatefulSets(w.Namespace)
	if _, err := sets.Patch(t.Context(), "set", types.MergePatchType, []byte(`{"spec":{"replicas":0}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	w.AwaitDeleted(t, "set", 3)
	if ended := w.EndDeleted(t, "set"); ended != 3 {
		t.Errorf("%d pods were ended, want 3", ended)
	}
	w.AwaitPods(t, "set", 0)
	if err := RemoveWorkloads(t.Context(), env.Kubernetes(t), w.Namespace); err != nil {
		t.Fatal(err)
	}
	if pods := w.Pods(t, ""); len(pods) != 0 {
		t.Errorf("%d pods are left", len(pods))
	}
}

func TestStartedRedisIsEmptyAndWantsItsPassword(t *testing.T) {
	env := Need(t)
	server := env.StartRedis(t, "maxmemory 20mb")
	client := server.Open(t, 5)
	if size, err := client.DBSize(t.Context()).Result(); err != nil || size != 0 {
		t.Errorf("%d keys, %v; want none", size, err)
	}
	if got := client.ConfigGet(t.Context(), "maxmemory").Val()["maxmemory"]; got != "20971520" {
		t.Errorf("maxmemory is %s: the line of configuration was not read", got)
	}
	for _, address := range []string{server.Address, env.RedisAddress} {
		if err := (&Redis{Address: address}).Open(t, 0).Ping(t.Context()).Err(); err == nil {
			t.Errorf("redis %s answers without a password", address)
		}
	}
}
