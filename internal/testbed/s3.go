package testbed

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// S3 returns a client of the testbed's SeaweedFS.
func (e *Env) S3(t testing.TB) *s3.Client {
	t.Helper()
	return e.S3At(t, e.S3Endpoint)
}

// S3At returns a client of one of the testbed's S3 servers. It takes nothing
// from the environment: some machines set AWS_CA_BUNDLE or credentials.
func (e *Env) S3At(t testing.TB, endpoint string) *s3.Client {
	t.Helper()
	return s3.New(s3.Options{
		Region:       "us-east-1",
		BaseEndpoint: aws.String(endpoint),
		UsePathStyle: true,
		// SeaweedFS 3.39 stores the trailer of a checksummed upload as content.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: e.S3AccessKey, SecretAccessKey: e.S3SecretKey}, nil
		}),
	})
}

// NewBucket makes an empty bucket in SeaweedFS.
func (e *Env) NewBucket(t testing.TB) string {
	t.Helper()
	return NewBucketAt(t, e.S3(t))
}

// NewBucketAt makes an empty bucket in any S3 server.
func NewBucketAt(t testing.TB, client *s3.Client) string {
	t.Helper()
	name := unique("-")
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(name)}); err != nil {
		t.Fatalf("make bucket: %v", err)
	}
	t.Cleanup(func() {
		if err := removeBucket(cleanupContext(t), client, name); err != nil {
			t.Errorf("remove bucket %s: %v", name, err)
		}
	})
	return name
}

// removeBucket empties and removes a bucket, unless the test did so itself.
func removeBucket(ctx context.Context, client *s3.Client, name string) error {
	bucket := aws.String(name)
	if _, err := client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: bucket}); err != nil {
		return nil // it is gone
	}
	for before := ""; ; {
		// Always the first page: what it named is gone the next time.
		page, err := client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: bucket, MaxKeys: aws.Int32(500)})
		if err != nil {
			return err
		}
		// What is listed under another key than it has cannot be deleted.
		if len(page.Contents) == 0 || aws.ToString(page.Contents[0].Key) == before {
			break
		}
		before = aws.ToString(page.Contents[0].Key)
		doomed := make([]types.ObjectIdentifier, len(page.Contents))
		for i, object := range page.Contents {
			doomed[i].Key = object.Key
		}
		_, err = client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: bucket, Delete: &types.Delete{Objects: doomed, Quiet: aws.Bool(true)}})
		if err != nil {
			return err
		}
	}
	if err := removeVersions(ctx, client, bucket); err != nil {
		return err
	}
	_, err := client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: bucket})
	return err
}

// removeVersions deletes what a bucket keeps of objects that are gone. A server
// that keeps nothing lists none.
func removeVersions(ctx context.Context, client *s3.Client, bucket *string) error {
	for {
		page, err := client.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: bucket, MaxKeys: aws.Int32(500)})
		if err != nil {
			return err
		}
		var doomed []types.ObjectIdentifier
		for _, v := range page.Versions {
			doomed = append(doomed, types.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId})
		}
		for _, d := range page.DeleteMarkers {
			doomed = append(doomed, types.ObjectIdentifier{Key: d.Key, VersionId: d.VersionId})
		}
		if len(doomed) == 0 {
			return nil
		}
		_, err = client.DeleteObjects(ctx, &s3.DeleteObjectsInput{
			Bucket: bucket, Delete: &types.Delete{Objects: doomed, Quiet: aws.Bool(true)}, BypassGovernanceRetention: aws.Bool(true),
		})
		if err != nil {
			return err
		}
	}
}
