package starter

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// versitygw is an S3 server that lists as AWS does, in the order of bytes, over
// a directory of its own. It takes the keys that SeaweedFS takes.
func (tb *Testbed) versitygw() part {
	return part{
		name:  "versitygw",
		check: tb.checkVersitygw,
		prepare: func(ctx context.Context) error {
			_, err := tb.binary(ctx, versitygwServer)
			return err
		},
		start: tb.startVersitygw,
	}
}

func (tb *Testbed) versitygwEndpoint() string {
	return "http://" + tb.address("versitygw")
}

func (tb *Testbed) startVersitygw(ctx context.Context) error {
	path, err := tb.binary(ctx, versitygwServer)
	if err != nil {
		return err
	}
	dir := tb.data("versitygw")
	buckets := filepath.Join(dir, "buckets")
	versions := filepath.Join(dir, "versions")
	if err := errors.Join(os.MkdirAll(buckets, 0o755), os.MkdirAll(versions, 0o755)); err != nil {
		return err
	}
	return tb.serve(ctx, service{
		ports: []string{"versitygw"},
		command: func() process {
			return process{
				name: "versitygw", path: path, dir: dir, log: tb.log("versitygw"),
				args: []string{"--port", tb.address("versitygw"), "posix", "--versioning-dir", versions, buckets},
				env:  []string{"ROOT_ACCESS_KEY=" + tb.state.S3AccessKey, "ROOT_SECRET_KEY=" + tb.state.S3SecretKey},
			}
		},
		ready: tb.checkVersitygw,
	})
}

func (tb *Testbed) checkVersitygw(ctx context.Context) error {
	_, err := tb.s3Client(tb.versitygwEndpoint()).ListBuckets(ctx, &s3.ListBucketsInput{})
	return err
}
