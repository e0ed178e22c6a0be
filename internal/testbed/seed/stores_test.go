package seed

import (
	"context"
	"errors"
	"io"
	"maps"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/openim-dr/openim-dr/internal/testbed"
)

// etags lists a bucket: ETag by key.
func etags(t *testing.T, client *s3.Client, bucket string) map[string]string {
	t.Helper()
	listed := map[string]string{}
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			listed[aws.ToString(o.Key)] = aws.ToString(o.ETag)
		}
	}
	return listed
}

func TestBucketHoldsEveryObject(t *testing.T) {
	env := testbed.Need(t)
	client, bucket := env.S3(t), env.NewBucket(t)
	size := Small()
	size.MaxObject = 2*partSize + 1 // so that some objects go up in parts
	result, err := Bucket(t.Context(), client, bucket, size)
	if err != nil {
		t.Fatal(err)
	}
	c := newCatalog(size)
	if listed := etags(t, client, bucket); len(listed) != size.Objects || result.Objects != size.Objects {
		t.Errorf("listed %d objects, the result says %d, want %d", len(listed), result.Objects, size.Objects)
	}
	for n := range c.count {
		if err := compare(t.Context(), client, bucket, c.object(n)); err != nil {
			t.Errorf("object %d, %q: %v", n, c.object(n).key(0), err)
		}
	}
}

// compare reads an object back.
func compare(ctx context.Context, client *s3.Client, bucket string, o object) error {
	stored, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: aws.String(o.key(0))})
	if err != nil {
		return err
	}
	defer stored.Body.Close()
	got, err := io.ReadAll(stored.Body)
	if err != nil {
		return err
	}
	want, err := io.ReadAll(o.open(0))
	if err != nil {
		return err
	}
	if string(got) != string(want) {
		return errors.New("its contents differ")
	}
	h := o.headers()
	if h.contentType != nil && *h.contentType != aws.ToString(stored.ContentType) {
		return errors.New("its content type is " + aws.ToString(stored.ContentType))
	}
	if !maps.Equal(h.metadata, stored.Metadata) {
		return errors.New("its metadata differ")
	}
	return nil
}

func TestRowsOfObjectLeadToTheBucket(t *testing.T) {
	env := testbed.Need(t)
	db, names := env.OpenMySQL(t), newTestSchemas(t, env)
	client, bucket := env.S3(t), env.NewBucket(t)
	if _, err := MySQL(t.Context(), db, names, Small()); err != nil {
		t.Fatal(err)
	}
	if _, err := Bucket(t.Context(), client, bucket, Small()); err != nil {
		t.Fatal(err)
	}
	if _, err := Change(t.Context(), Stores{DB: db, Schemas: names, S3: client, Bucket: bucket}, Small(), 1); err != nil {
		t.Fatal(err)
	}
	rows, err := db.Query("SELECT name, hash, `key`, size FROM " + quoteName(names.Server) + ".object")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name, hash, key string
		var size int64
		if err := rows.Scan(&name, &hash, &key, &size); err != nil {
			t.Fatal(err)
		}
		head, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := hashOf(head.Body, aws.ToInt64(head.ContentLength)); got != hash || key != hashPrefix+hash || aws.ToInt64(head.ContentLength) != size {
			t.Errorf("%s: object of %d bytes with hash %s, the row says %d and %s", name, aws.ToInt64(head.ContentLength), got, size, hash)
		}
		head.Body.Close()
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

// newTestNamespaces makes the three namespaces of a deployment.
func newTestNamespaces(t *testing.T, env *testbed.Env) []string {
	return []string{env.NewNamespace(t), env.NewNamespace(t), env.NewNamespace(t)}
}

// clusterData is the data of all Secrets and ConfigMaps by kind, namespace and name.
func clusterData(t *testing.T, client kubernetes.Interface, namespaces []string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, namespace := range namespaces {
		secrets, err := client.CoreV1().Secrets(namespace).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range secrets.Items {
			for key, value := range s.Data {
				all["secret "+s.Name+" "+key] = string(value)
			}
		}
		configMaps, err := client.CoreV1().ConfigMaps(namespace).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range configMaps.Items {
			for key, value := range m.Data {
				all["configmap "+m.Name+" "+key] = value
			}
			for key, value := range m.BinaryData {
				all["configmap "+m.Name+" "+key] = string(value)
			}
		}
	}
	return all
}

func TestKubernetesHoldsTheCluster(t *testing.T) {
	env := testbed.Need(t)
	client, namespaces := env.Kubernetes(t), newTestNamespaces(t, env)
	result, err := Kubernetes(t.Context(), client, namespaces, Small())
	if err != nil {
		t.Fatal(err)
	}
	want, err := newCluster(namespaces, Small().Seed)
	if err != nil {
		t.Fatal(err)
	}
	if result.Secrets != len(want.secrets) || result.ConfigMaps != len(want.configMaps) {
		t.Errorf("got %d secrets and %d configmaps, want %d and %d", result.Secrets, result.ConfigMaps, len(want.secrets), len(want.configMaps))
	}
	got := clusterData(t, client, namespaces)
	for _, s := range want.secrets {
		for key, value := range s.Data {
			if got["secret "+s.Name+" "+key] != string(value) {
				t.Errorf("secret %s: the value of %s differs", s.Name, key)
			}
		}
	}
	if config := got["configmap openim-cm config.yaml"]; !strings.Contains(config, "address: [ openim-mongodb.openim:27017 ]") {
		t.Errorf("the configuration names no MongoDB: %q", config)
	}
}

func TestChangeChangesEveryStore(t *testing.T) {
	env := testbed.Need(t)
	size := Small()
	stores := Stores{
		DB: env.OpenMySQL(t), Schemas: newTestSchemas(t, env),
		S3: env.S3(t), Bucket: env.NewBucket(t),
		Kubernetes: env.Kubernetes(t), Namespaces: newTestNamespaces(t, env),
	}
	seeded := seedAll(t, stores, size)
	tables := seeded.tableNames()
	for round := 1; round <= 2; round++ {
		rows := checksums(t, stores.DB, stores.Schemas, tables)
		objects := etags(t, stores.S3, stores.Bucket)
		secrets := clusterData(t, stores.Kubernetes, stores.Namespaces)
		result, err := Change(t.Context(), stores, size, round)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if result.Rows == 0 || result.Objects == 0 || result.Secrets != 1 || len(result.Markers()) == 0 {
			t.Errorf("round %d: got %+v", round, result)
		}
		requireChanged(t, rows, checksums(t, stores.DB, stores.Schemas, tables), "server.chat_logs", "server.users", "server.friends", "server.object", "chat.user_login_records", "chat.fork_ledger", "chat.fork_audit")
		requireObjectsChanged(t, objects, etags(t, stores.S3, stores.Bucket))
		if after := clusterData(t, stores.Kubernetes, stores.Namespaces); cmp.Equal(secrets, after) {
			t.Errorf("round %d changed nothing in the cluster", round)
		}
	}
}

func seedAll(t *testing.T, stores Stores, size Size) Result {
	t.Helper()
	rows, err := MySQL(t.Context(), stores.DB, stores.Schemas, size)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := Bucket(t.Context(), stores.S3, stores.Bucket, size)
	if err != nil {
		t.Fatal(err)
	}
	cluster, err := Kubernetes(t.Context(), stores.Kubernetes, stores.Namespaces, size)
	if err != nil {
		t.Fatal(err)
	}
	return Join(rows, objects, cluster)
}

func requireChanged(t *testing.T, before, after map[string]int64, tables ...string) {
	t.Helper()
	for _, table := range tables {
		if before[table] == after[table] {
			t.Errorf("%s did not change", table)
		}
		delete(before, table)
	}
	for table, sum := range before {
		if after[table] != sum {
			t.Errorf("%s changed", table)
		}
	}
}

func requireObjectsChanged(t *testing.T, before, after map[string]string) {
	t.Helper()
	var added, changed, gone int
	for key, etag := range after {
		switch old, existed := before[key]; {
		case !existed:
			added++
		case old != etag:
			changed++
		}
	}
	for key := range before {
		if _, exists := after[key]; !exists {
			gone++
		}
	}
	if added == 0 || changed == 0 || gone == 0 {
		t.Errorf("%d objects added, %d changed, %d gone, want some of each", added, changed, gone)
	}
}

func TestSeedingTwiceIntoOnePlaceIsRefused(t *testing.T) {
	env := testbed.Need(t)
	db, names := env.OpenMySQL(t), newTestSchemas(t, env)
	if err := FreshOpenIM(t.Context(), db, names); err != nil {
		t.Fatal(err)
	}
	if _, err := MySQL(t.Context(), db, names, Small()); err == nil {
		t.Error("tables that existed were filled")
	}
}

func TestBucketMayExist(t *testing.T) {
	env := testbed.Need(t)
	client, bucket := env.S3(t), env.NewBucket(t)
	for range 2 {
		if err := createBucket(t.Context(), client, bucket); err != nil {
			t.Error(err)
		}
	}
}
