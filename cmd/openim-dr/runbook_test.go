package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apitypes "k8s.io/apimachinery/pkg/types"
)

// TestRunbook restores a point by hand: the page is written from the
// configuration, and its blocks are run as they stand, but for the variable
// that says FILL IN, in a container with Debian's stock tools. Everything comes
// back under other names beside the deployment, and the servers themselves say
// that it is the same. Then each comparison of the page has to notice a change.
func TestRunbook(t *testing.T) {
	t.Parallel()
	d := seedDeployment(t)
	zoo := d.addZoo(t)
	repository, config := d.repository(t)
	d.run(t, "backup", "--config", config).ok(t)
	renamed := d.renames(t, zoo)
	args := []string{"runbook", "latest", "--config", config}
	for old, name := range renamed {
		args = append(args, "--rename", old+"="+name)
	}
	text := d.run(t, args...).ok(t).stdout
	if found := findMarker([]byte(text), append(d.markers, d.privateKeys(t)...)); found != "" {
		t.Errorf("the page holds %.12q…", found)
	}
	h := newHands(t, d.env, text, repository, d.dir, filepath.Dir(d.env.Kubeconfig))
	h.fillIn(t, map[string]string{"IDENTITY": filepath.Join(d.dir, "operator.key")})
	// So that the test has an object that is sent in parts.
	h.change(t, "MEDIA_LARGE", fmt.Sprint(largeObject))

	out := h.ok(t, h.steps...)
	if said := "views that were broken when they were captured are not there: "; !strings.Contains(out, said) {
		t.Errorf("the page did not say %q:\n%s", said, out)
	}
	for _, schema := range []string{d.stores.Schemas.Server, d.stores.Schemas.Chat, zoo} {
		want := schemaState(t, d.stores.DB, schema)
		delete(want, "view "+brokenView)
		requireSame(t, "schema "+schema, want, schemaState(t, d.stores.DB, renamed[schema]))
	}
	requireSame(t, "bucket", bucketState(t, d.stores.S3, d.stores.Bucket), bucketState(t, d.stores.S3, renamed[d.stores.Bucket]))
	for _, namespace := range d.stores.Namespaces {
		requireSame(t, "namespace "+namespace, d.namespaceState(t, namespace), d.namespaceState(t, renamed[namespace]))
	}
	d.requireNoticed(t, h, renamed)
	h.ok(t, h.last)
	if left, err := os.ReadDir(h.work); err != nil || len(left) > 0 {
		t.Errorf("the last block has left %v: %v", left, err)
	}
}

// requireNoticed changes what was restored, and requires that the comparison of
// the page sees it.
func (d *seeded) requireNoticed(t *testing.T, h *hands, renamed map[string]string) {
	t.Helper()
	exec := func(statement string) {
		t.Helper()
		if _, err := d.stores.DB.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	users := sqlName(renamed[d.stores.Schemas.Server]) + ".users"
	bucket := aws.String(renamed[d.stores.Bucket])
	for _, c := range []struct {
		done, says string
		change     func()
	}{
		{"the rows of source main are those of the point", "table `users`: rows differ", func() {
			exec("UPDATE " + users + " SET ex = CONCAT(ex, ' ') LIMIT 1")
		}},
		{"the tables of source main have as many rows as the point", "table `users` has ", func() {
			exec("DELETE FROM " + users + " LIMIT 1")
		}},
		{"the buckets of source media hold what the point holds", "STOP: bucket " + *bucket + " holds ", func() {
			if _, err := d.stores.S3.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: bucket, Key: aws.String("zoo/upper")}); err != nil {
				t.Fatal(err)
			}
		}},
		{"the objects of source cluster are as they were captured", "STOP: kubectl diff shows differences", func() {
			patch := []byte(`{"stringData": {"password": "another"}}`)
			_, err := d.stores.Kubernetes.CoreV1().Secrets(renamed[d.stores.Namespaces[0]]).Patch(t.Context(), "openim-redis", apitypes.MergePatchType, patch, metav1.PatchOptions{})
			if err != nil {
				t.Fatal(err)
			}
		}},
		{"the server of source main is ready", "STOP: schema ", func() {}},
		{"the buckets of source media are ready", "holds objects", func() {}},
		{"the namespaces of source cluster can be restored", "holds what stands above", func() {}},
	} {
		c.change()
		h.stops(t, c.says, h.step(t, c.done))
	}
}

// largeObject is above which size the test has objects sent in parts.
const largeObject = 9_000_000

// zooTables are names that shells, SQL, JSON, URLs and file systems take apart.
var zooTables = []string{"UPPER", "it's 100% `$HOME` $(date)", `"ünï中文"; -- a.b/c *`, "line\nfeed", "-"}

// brokenView refers to a table that is gone.
const brokenView = "broken"

// zooTypes makes a table with a column of every kind of type.
func zooTypes(table string) []string {
	return []string{
		"CREATE TABLE " + table + ` (id int PRIMARY KEY, l1 varchar(50) CHARACTER SET latin1, gbk varchar(20) CHARACTER SET gbk, u16 varchar(20) CHARACTER SET utf16, u8 text CHARACTER SET utf8mb4,
			b blob, bn binary(4), j json, f float, d double, e enum('a','b'), st set('x','y'), m bit(9), dt datetime(3), ts timestamp(6) NULL, y year, t time(2),
			n decimal(20,5), z int(5) zerofill, big bigint unsigned, g geometry, v vector(3), made int GENERATED ALWAYS AS (id + 1))`,
		"INSERT INTO " + table + ` (id, l1, gbk, u16, u8, b, bn, j, f, d, e, st, m, dt, ts, y, t, n, z, big, g, v) VALUES
			(1, 'é', '中文', '😀x', 'tab	 line
feed \\ NULL \\N', x'00ff0a0d095c27', 'a', JSON_OBJECT('a', 1.50, 'd', CAST('2020-01-01' AS DATE), 'b', x'00ff', 'n', 'x\ny'), 0.1, 1e-300, 'b', 'x,y', b'100000001', '2026-01-02 03:04:05.678',
				'2026-01-02 03:04:05.678901', 2026, '-12:34:56.78', -123.456, 7, 18446744073709551615, ST_GeomFromText('POINT(1 2)', 4326), TO_VECTOR('[1,2,3]')),
			(2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
			(3, '', '\\', '', '', '', '', '"~"', -0.0, -0.0, 'a', '', b'0', '1970-01-01', '1970-01-02', 1901, 0, 0, 0, 0, NULL, NULL)`,
	}
}

// addZoo makes a schema of a nasty name with tables of nasty names, and objects
// of nasty keys; and returns the schema's name.
func (d *seeded) addZoo(t *testing.T) string {
	t.Helper()
	schema := "Zoo 'x' `100%` ü$" + d.env.NewSchema(t)
	d.dropLater(t, schema)
	statements := []string{"CREATE DATABASE " + sqlName(schema) + " CHARACTER SET latin1"}
	for _, table := range zooTables {
		name := sqlName(schema) + "." + sqlName(table)
		statements = append(statements, "CREATE TABLE "+name+" (id int PRIMARY KEY, `it's \"a\" column` varchar(50))", "INSERT INTO "+name+" VALUES (1, 'tea'), (2, NULL), (3, '')")
	}
	statements = append(statements, zooTypes(sqlName(schema)+".`types`")...)
	gone := sqlName(schema) + ".gone"
	statements = append(statements, "CREATE TABLE "+gone+" (id int)", "CREATE VIEW "+sqlName(schema)+"."+brokenView+" AS SELECT id FROM "+gone, "DROP TABLE "+gone)
	for _, statement := range statements {
		if _, err := d.stores.DB.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%v: %s", err, statement)
		}
	}
	quoted, err := json.Marshal(schema) // which YAML reads
	if err != nil {
		t.Fatal(err)
	}
	d.config = strings.Replace(d.config, d.stores.Schemas.Chat+"]", d.stores.Schemas.Chat+", "+strings.ReplaceAll(string(quoted), "%", "%%")+"]", 1)
	for key, size := range map[string]int{
		"zoo/a b+c&d=e?f#g%20h": 10, `zoo/quote'"back\slash`: 10, "zoo/ünï中文😀": 10, "zoo/$(date)`x`": 10, "zoo/!*()[]{}<>|~^,;:@": 10,
		"zoo/UPPER": 10, "zoo/upper": 10, "zoo/tab\tkey": 10, "zoo/empty": 0, "zoo/joined": 8<<20 + 1, "zoo/large": 20 << 20, strings.Repeat("zoo/long"+strings.Repeat("x", 190)+"/", 5) + "end": 10,
	} {
		input := &s3.PutObjectInput{
			Bucket: &d.stores.Bucket, Key: &key, Body: strings.NewReader(strings.Repeat("0123456789", size/10+1)[:size]), ContentType: aws.String(`text/plain; charset="utf-8"`),
			Metadata: map[string]string{"note": `quote " back \ slash`, "size": fmt.Sprint(size)},
		}
		if size < largeObject { // SeaweedFS 3.39 forgets these where an object comes in parts
			input.CacheControl, input.ContentDisposition = aws.String("max-age=60"), aws.String(`attachment; filename="a \"b\".txt"`)
		}
		if _, err := d.stores.S3.PutObject(t.Context(), input); err != nil {
			t.Fatalf("put %q: %v", key, err)
		}
	}
	_, err = d.stores.S3.PutObjectTagging(t.Context(), &s3.PutObjectTaggingInput{
		Bucket: &d.stores.Bucket, Key: aws.String("zoo/UPPER"), Tagging: &types.Tagging{TagSet: []types.Tag{{Key: aws.String("a b"), Value: aws.String("c+d=e:f/g@h")}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func sqlName(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

func (d *seeded) dropLater(t *testing.T, schema string) {
	t.Cleanup(func() {
		if _, err := d.env.OpenMySQL(t).Exec("DROP DATABASE IF EXISTS " + sqlName(schema)); err != nil {
			t.Error(err)
		}
	})
}

// renames makes up what everything is called at the target. Namespaces and the
// bucket are there already, and hold nothing.
func (d *seeded) renames(t *testing.T, zoo string) map[string]string {
	t.Helper()
	renamed := map[string]string{
		d.stores.Schemas.Server: d.stores.Schemas.Server + "_r", d.stores.Schemas.Chat: d.stores.Schemas.Chat + "_r", zoo: `It's "back" ` + "`" + zoo[len(zoo)-12:] + "` 中",
		d.stores.Bucket: d.env.NewBucket(t),
	}
	for _, schema := range []string{d.stores.Schemas.Server, d.stores.Schemas.Chat, zoo} {
		d.dropLater(t, renamed[schema])
	}
	for _, namespace := range d.stores.Namespaces {
		renamed[namespace] = d.env.NewNamespace(t)
	}
	return renamed
}
