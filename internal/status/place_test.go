package status

import "testing"

func TestKindAndPlace(t *testing.T) {
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"} {
		t.Setenv(name, "")
	}
	tests := map[string][2]string{
		"/var/backups":        {"directory", production},
		"file:///var/backups": {"directory", production},
		"gs://one/prod":       {"gcs", "Google Cloud"},
		"gs://two":            {"gcs", "Google Cloud"},
		"s3://b":              {"s3", "us-east-1 at Amazon"},
		"s3://b/p?region=eu-central-1&endpoint=https://s3.example:9000": {"s3", "eu-central-1 at s3.example:9000"},
		"s3://b/p?%zz": {"s3", "us-east-1 at Amazon"},
	}
	for at, want := range tests {
		if kind, where := kindAndPlace(at); kind != want[0] || where != want[1] {
			t.Errorf("%s is %s in %s, want %v", at, kind, where, want)
		}
	}
}
