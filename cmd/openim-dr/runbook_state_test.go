package main

import (
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// requireSame compares what two places hold, by name.
func requireSame(t *testing.T, what string, want, got map[string]string) {
	t.Helper()
	if len(want) == 0 {
		t.Errorf("%s: nothing to compare", what)
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s: %s: got %.300q, want %.300q", what, name, got[name], value)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s: %s is more than there was", what, name)
		}
	}
}

// schemaState is what the server itself says of a schema.
func schemaState(t *testing.T, db *sql.DB, schema string) map[string]string {
	t.Helper()
	state := map[string]string{}
	add := func(query string) {
		rows, err := db.QueryContext(t.Context(), query, schema)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var name string
			var value sql.NullString
			if err := rows.Scan(&name, &value); err != nil {
				t.Fatal(err)
			}
			state[name] = strings.ReplaceAll(value.String, schema, "SCHEMA")
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
	add("SELECT CONCAT('schema ', default_character_set_name), default_collation_name FROM information_schema.schemata WHERE schema_name = ?")
	add("SELECT CONCAT('view ', table_name), view_definition FROM information_schema.views WHERE table_schema = ?")
	add("SELECT CONCAT(routine_type, ' ', routine_name), CONCAT(sql_mode, ' ', definer, ' ', routine_definition) FROM information_schema.routines WHERE routine_schema = ?")
	add("SELECT CONCAT('trigger ', trigger_name), CONCAT(action_timing, ' ', event_manipulation, ' ', definer, ' ', action_statement) FROM information_schema.triggers WHERE trigger_schema = ?")
	add("SELECT CONCAT('event ', event_name), CONCAT(status, ' ', definer, ' ', event_definition) FROM information_schema.events WHERE event_schema = ?")
	add("SELECT CONCAT('index ', table_name, '.', index_name, '.', seq_in_index), CONCAT_WS(' ', non_unique, column_name, collation, sub_part, index_type) FROM information_schema.statistics WHERE table_schema = ?")
	add("SELECT CONCAT('column ', table_name, '.', column_name), CONCAT_WS(' ', ordinal_position, column_type, is_nullable, column_default, collation_name, extra, generation_expression) FROM information_schema.columns WHERE table_schema = ?")
	for _, name := range tablesOf(t, db, schema) {
		var checked, sum string
		if err := db.QueryRowContext(t.Context(), "CHECKSUM TABLE "+sqlName(schema)+"."+sqlName(name)+" EXTENDED").Scan(&checked, &sum); err != nil {
			t.Fatal(err)
		}
		state["checksum of "+name] = sum
	}
	return state
}

func tablesOf(t *testing.T, db *sql.DB, schema string) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT table_name FROM information_schema.tables WHERE table_schema = ? AND table_type = 'BASE TABLE'", schema)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil || len(names) == 0 {
		t.Fatalf("schema %s has %d tables: %v", schema, len(names), err)
	}
	return names
}

// bucketState is what the server itself says of a bucket: the content of each
// object, its headers, metadata and tags.
func bucketState(t *testing.T, client *s3.Client, bucket string) map[string]string {
	t.Helper()
	state := map[string]string{}
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, object := range page.Contents {
			state[*object.Key] = objectState(t, client, bucket, *object.Key)
		}
	}
	return state
}

func objectState(t *testing.T, client *s3.Client, bucket, key string) string {
	t.Helper()
	object, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	defer object.Body.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, object.Body)
	if err != nil {
		t.Fatal(err)
	}
	tags, err := client.GetObjectTagging(t.Context(), &s3.GetObjectTaggingInput{Bucket: &bucket, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	var set []string
	for _, tag := range tags.TagSet {
		set = append(set, *tag.Key+"="+*tag.Value)
	}
	slices.Sort(set)
	var headers []string
	for _, header := range []*string{object.ContentType, object.ContentEncoding, object.ContentDisposition, object.ContentLanguage, object.CacheControl, object.ExpiresString} {
		headers = append(headers, aws.ToString(header))
	}
	return fmt.Sprintf("%d bytes, SHA-256 %x, headers %q, metadata %q, tags %q", size, sum.Sum(nil), headers, object.Metadata, set)
}

// namespaceState is what the API server says of Secrets and ConfigMaps.
func (d *seeded) namespaceState(t *testing.T, namespace string) map[string]string {
	t.Helper()
	state := map[string]string{}
	add := func(name string, content ...any) {
		text, err := json.Marshal(content)
		if err != nil {
			t.Fatal(err)
		}
		state[name] = string(text)
	}
	secrets, err := d.stores.Kubernetes.CoreV1().Secrets(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range secrets.Items {
		add("Secret "+o.Name, o.Type, o.Data, o.Labels, o.Annotations, o.Immutable)
	}
	maps, err := d.stores.Kubernetes.CoreV1().ConfigMaps(namespace).List(t.Context(), metav1.ListOptions{FieldSelector: "metadata.name!=kube-root-ca.crt"})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range maps.Items {
		add("ConfigMap "+o.Name, o.Data, o.BinaryData, o.Labels, o.Annotations, o.Immutable)
	}
	return state
}
