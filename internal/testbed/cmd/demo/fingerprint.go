package main

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// fingerprint is what the servers themselves say of their content, by means
// that have nothing to do with openim-dr: CHECKSUM TABLE and the data
// dictionary, a listing with ETags (of large
// objects the MD5 of the content), the data of Secrets and ConfigMaps.
type fingerprint struct {
	tables, objects, documents store
}

// store is one kind of server: what it holds, each thing with a checksum.
type store struct {
	sums  map[string]string
	count int64
	bytes int64
}

func newStore() store { return store{sums: map[string]string{}} }

// differences lists the names that are not the same in both.
func (s store) differences(other store) []string {
	var names []string
	for name, sum := range s.sums {
		if got, ok := other.sums[name]; !ok || got != sum {
			names = append(names, name)
		}
	}
	for name := range other.sums {
		if _, ok := s.sums[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (s *servers) fingerprint(ctx context.Context) (f fingerprint, err error) {
	if f.tables, err = s.fingerprintMySQL(ctx); err != nil {
		return f, fmt.Errorf("look at MySQL: %w", err)
	}
	if f.objects, err = s.fingerprintBucket(ctx); err != nil {
		return f, fmt.Errorf("look at the bucket: %w", err)
	}
	if f.documents, err = s.fingerprintKubernetes(ctx); err != nil {
		return f, fmt.Errorf("look at Kubernetes: %w", err)
	}
	return f, nil
}

// dictionary lists everything that is not rows, with its definition.
const dictionary = `
SELECT CONCAT('view ', table_schema, '.', table_name), view_definition FROM information_schema.views WHERE table_schema IN (?, ?)
UNION ALL SELECT CONCAT(routine_type, ' ', routine_schema, '.', routine_name), CONCAT(sql_mode, ' ', definer, ' ', routine_definition) FROM information_schema.routines WHERE routine_schema IN (?, ?)
UNION ALL SELECT CONCAT('trigger ', trigger_schema, '.', trigger_name), CONCAT(action_timing, ' ', event_manipulation, ' ', definer, ' ', action_statement) FROM information_schema.triggers WHERE trigger_schema IN (?, ?)
UNION ALL SELECT CONCAT('event ', event_schema, '.', event_name), CONCAT(status, ' ', definer, ' ', event_definition) FROM information_schema.events WHERE event_schema IN (?, ?)
UNION ALL SELECT CONCAT('index ', table_schema, '.', table_name, '.', index_name, '.', seq_in_index), CONCAT_WS(' ', non_unique, column_name, collation, sub_part, index_type) FROM information_schema.statistics WHERE table_schema IN (?, ?)
UNION ALL SELECT CONCAT('column ', table_schema, '.', table_name, '.', column_name), CONCAT_WS(' ', ordinal_position, column_type, is_nullable, column_default, collation_name, extra, generation_expression) FROM information_schema.columns WHERE table_schema IN (?, ?)`

func (s *servers) fingerprintMySQL(ctx context.Context) (store, error) {
	all := newStore()
	for _, schema := range s.schemas {
		if err := s.checksumTables(ctx, schema, &all); err != nil {
			return all, err
		}
	}
	var args []any
	for range 6 {
		args = append(args, s.schemas[0], s.schemas[1])
	}
	rows, err := s.db.QueryContext(ctx, dictionary, args...)
	if err != nil {
		return all, err
	}
	defer rows.Close() // Err says what matters
	for rows.Next() {
		var name string
		var definition sql.NullString
		if err := rows.Scan(&name, &definition); err != nil {
			return all, err
		}
		all.sums[name] = definition.String
	}
	return all, rows.Err()
}

func (s *servers) checksumTables(ctx context.Context, schema string, all *store) error {
	rows, err := s.db.QueryContext(ctx, "SELECT table_name FROM information_schema.tables WHERE table_schema = ? AND table_type = 'BASE TABLE'", schema)
	if err != nil {
		return err
	}
	defer rows.Close() // Err says what matters
	var tables []string
	for rows.Next() {
		var table string
		if err := rows.Scan(&table); err != nil {
			return err
		}
		tables = append(tables, "`"+schema+"`.`"+table+"`")
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, table := range tables {
		var name, sum string
		var count int64
		if err := s.db.QueryRowContext(ctx, "CHECKSUM TABLE "+table+" EXTENDED").Scan(&name, &sum); err != nil {
			return err
		}
		if err := s.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+table).Scan(&count); err != nil {
			return err
		}
		all.sums["rows of "+table] = fmt.Sprintf("%d rows, checksum %s", count, sum)
		all.count += count
	}
	var bytes int64
	err = s.db.QueryRowContext(ctx, "SELECT CAST(COALESCE(SUM(data_length), 0) AS SIGNED) FROM information_schema.tables WHERE table_schema = ?", schema).Scan(&bytes)
	all.bytes += bytes
	return err
}

// fingerprintBucket asks for what comes after the last key until that is nothing:
// SeaweedFS 3.39 may say that a listing ends where a page was filled by keys before
// directories that have become empty.
func (s *servers) fingerprintBucket(ctx context.Context) (store, error) {
	all := newStore()
	for after := ""; ; {
		page, err := s.s3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &s.bucket, StartAfter: &after})
		if err != nil {
			return all, err
		}
		if len(page.Contents) == 0 {
			return all, nil
		}
		for _, o := range page.Contents {
			after = *o.Key
			sum := *o.ETag
			if strings.Contains(sum, "-") || *o.Size > maxPlainETag {
				if sum, err = s.contentMD5(ctx, *o.Key); err != nil {
					return all, err
				}
			}
			all.sums[*o.Key] = fmt.Sprintf("%d bytes, ETag %s", *o.Size, sum)
			all.count++
			all.bytes += *o.Size
		}
	}
}

// maxPlainETag is up to which size an ETag is the MD5 of the content whichever
// way the object came: the ETag of a multipart upload tells only how it was cut.
const maxPlainETag = 4 << 20

// contentMD5 reads an object to say what its ETag would be had it come whole.
func (s *servers) contentMD5(ctx context.Context, key string) (string, error) {
	object, err := s.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: &key})
	if err != nil {
		return "", err
	}
	sum := md5.New()
	_, err = io.Copy(sum, object.Body)
	return `"` + hex.EncodeToString(sum.Sum(nil)) + `"`, errors.Join(err, object.Body.Close())
}

func (s *servers) fingerprintKubernetes(ctx context.Context) (store, error) {
	all := newStore()
	add := func(name string, data any) error {
		text, err := json.Marshal(data) // sorted keys
		sum := sha256.Sum256(text)
		all.sums[name] = hex.EncodeToString(sum[:])
		all.count++
		all.bytes += int64(len(text))
		return err
	}
	for _, ns := range s.namespaces {
		secrets, err := s.kubernetes.CoreV1().Secrets(ns).List(ctx, metav1.ListOptions{})
		if err != nil {
			return all, err
		}
		for _, o := range secrets.Items {
			if err := add("Secret "+ns+"/"+o.Name, []any{o.Type, o.Data, o.Labels, o.Annotations, o.Immutable}); err != nil {
				return all, err
			}
		}
		configMaps, err := s.kubernetes.CoreV1().ConfigMaps(ns).List(ctx, metav1.ListOptions{FieldSelector: "metadata.name!=kube-root-ca.crt"})
		if err != nil {
			return all, err
		}
		for _, o := range configMaps.Items {
			if err := add("ConfigMap "+ns+"/"+o.Name, []any{o.Data, o.BinaryData, o.Labels, o.Annotations, o.Immutable}); err != nil {
				return all, err
			}
		}
	}
	return all, nil
}
