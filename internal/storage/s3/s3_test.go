package s3

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/storage/storagetest"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

func open(t *testing.T, endpoint, bucket, prefix string) *Store {
	t.Helper()
	env := testbed.Need(t)
	s, err := Open(t.Context(), bucket, prefix, Options{
		Endpoint: endpoint, Credentials: credentials.NewStaticCredentialsProvider(env.S3AccessKey, env.S3SecretKey, ""),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The whole contract holds on a service with conditional writes.
func TestConformance(t *testing.T) {
	env := testbed.Need(t)
	for name, prefix := range map[string]string{"with a prefix": "a/prefix", "whole bucket": ""} {
		t.Run(name, func(t *testing.T) {
			storagetest.Run(t, func(t *testing.T) storage.Storage {
				client := env.S3At(t, env.VersitygwEndpoint)
				bucket := testbed.NewBucketAt(t, client)
				t.Cleanup(func() { requireNoUploads(t, client, bucket) })
				return open(t, env.VersitygwEndpoint, bucket, prefix)
			})
		})
	}
}

// requireNoUploads says that nothing is left that nobody sees and that is paid for.
func requireNoUploads(t *testing.T, client *s3.Client, bucket string) {
	t.Helper()
	left, err := client.ListMultipartUploads(context.WithoutCancel(t.Context()), &s3.ListMultipartUploadsInput{Bucket: &bucket})
	if err != nil {
		t.Fatal(err)
	}
	if len(left.Uploads) > 0 {
		t.Errorf("%d multipart uploads are left behind", len(left.Uploads))
	}
}

// A service with conditional writes is told from one that overwrites.
func TestCreatesExclusively(t *testing.T) {
	env := testbed.Need(t)
	for name, tt := range map[string]struct {
		endpoint string
		want     bool
	}{
		"versitygw":      {env.VersitygwEndpoint, true},
		"SeaweedFS 3.39": {env.S3Endpoint, false},
	} {
		t.Run(name, func(t *testing.T) {
			bucket := testbed.NewBucketAt(t, env.S3At(t, tt.endpoint))
			s := open(t, tt.endpoint, bucket, "a/prefix")
			got, err := s.CreatesExclusively(t.Context(), "probe")
			if err != nil || got != tt.want {
				t.Errorf("creates exclusively: %v, %v; want %v", got, err, tt.want)
			}
			content := []byte("content")
			if _, err := storage.Put(t.Context(), s, "held", content); err != nil {
				t.Fatal(err)
			}
			if got, err := s.RefusesExisting(t.Context(), "held", content); err != nil || got != tt.want {
				t.Errorf("refuses what exists: %v, %v; want %v", got, err, tt.want)
			}
			if err := s.List(t.Context(), "probe", func(info storage.Info) error {
				t.Errorf("the probe leaves %s behind", info.Name)
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
}
