package storage_test

import (
	"strings"
	"testing"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/storage"
)

func TestParseLocation(t *testing.T) {
	for text, want := range map[string]storage.Location{
		"/backups":        {Scheme: storage.Directory, Path: "/backups"},
		"backups":         {Scheme: storage.Directory, Path: "backups"},
		"a@b":             {Scheme: storage.Directory, Path: "a@b"},
		"file:///backups": {Scheme: storage.Directory, Path: "/backups"},
		"gs://b":          {Scheme: storage.GCS, Bucket: "b"},
		"gs://b/p/q":      {Scheme: storage.GCS, Bucket: "b", Prefix: "p/q"},
		"s3://b/p/q":      {Scheme: storage.S3, Bucket: "b", Prefix: "p/q"},
		"s3://b/p?endpoint=http://h:1&region=r&pathStyle=false": {Scheme: storage.S3, Bucket: "b", Prefix: "p", Endpoint: "http://h:1", Region: "r", VirtualHost: true},
		"s3://b?pathStyle=true":                                 {Scheme: storage.S3, Bucket: "b"},
	} {
		if got, err := storage.ParseLocation(text); err != nil || got != want {
			t.Errorf("%s: got %+v, %v; want %+v", text, got, err, want)
		}
	}
}

// What is refused says why, and quotes nothing.
func TestParseLocationRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"hunter2://b":                         "no storage of that scheme",
		"gs://":                               "no bucket",
		"gs:///hunter2":                       "no bucket",
		"s3://":                               "no bucket",
		"s3://?region=hunter2":                "no bucket",
		"gs://me:hunter2@b/p":                 "a user or password",
		"s3://me:hunter2@b":                   "a user or password",
		"s3://b?secretKey=hunter2":            "nothing else",
		"s3://b?hunter2":                      "nothing else",
		"s3://b?region=":                      "nothing else",
		"s3://b?pathStyle=hunter2":            "nothing else",
		"s3://b?region=a&region=hunter2":      "twice",
		"s3://b?%hunter2":                     "not understood",
		"s3://b?endpoint=hunter2":             "the endpoint is no URL",
		"s3://b?endpoint=ftp://hunter2":       "the endpoint is no URL",
		"s3://b?endpoint=http://":             "the endpoint is no URL",
		"s3://b?endpoint=http://u:hunter2@h/": "the endpoint is no URL",
	} {
		_, err := storage.ParseLocation(text)
		if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want a usage error with %q", text, err, want)
		}
		if f, ok := fault.Outermost(err); !ok || f.Try == "" || strings.Contains(f.Error()+f.Try, "hunter2") {
			t.Errorf("%s: %v: want a hint, and nothing quoted", text, err)
		}
	}
}
