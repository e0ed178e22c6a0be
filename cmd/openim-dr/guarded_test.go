package main

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/openim-dr/openim-dr/internal/testbed"
)

// guardedBucket makes buckets that keep what they hold, for repositories:
//
//	guarded gcs                 a bucket of the emulator with a retention policy of an
//	                            hour, whose name is GUARDED
//	guarded plain               the same without a policy
//	guarded limit PERMISSION…   leaves nobody other permissions in it
//	guarded s3                  a bucket with Object Lock, whose URL is GUARDED
func guardedBucket(ts *testscript.TestScript, t *testing.T, env *testbed.Env, args []string) {
	switch args[0] {
	case "gcs", "plain":
		bucket := env.NewGCSBucket(t)
		if args[0] == "gcs" {
			env.RetainGCSBucket(t, bucket, time.Hour)
		}
		ts.Setenv("GUARDED", bucket)
	case "limit":
		env.LimitGCSBucket(t, ts.Getenv("GUARDED"), args[1:])
	case "s3":
		ts.Setenv("GUARDED", "s3://"+lockedBucket(ts, t, env)+"/prod?endpoint="+env.VersitygwEndpoint)
		ts.Setenv("AWS_ACCESS_KEY_ID", env.S3AccessKey)
		ts.Setenv("AWS_SECRET_ACCESS_KEY", env.S3SecretKey)
	default:
		ts.Fatalf("there is no such kind of bucket")
	}
}

// lockedBucket is one in which every version is locked for a day, in the mode that
// the end of the test can overrule.
func lockedBucket(ts *testscript.TestScript, t *testing.T, env *testbed.Env) string {
	client := env.S3At(t, env.VersitygwEndpoint)
	bucket := testbed.NewBucketAt(t, client)
	_, err := client.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
		Bucket: &bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	ts.Check(err)
	_, err = client.PutObjectLockConfiguration(t.Context(), &s3.PutObjectLockConfigurationInput{Bucket: &bucket, ObjectLockConfiguration: &types.ObjectLockConfiguration{
		ObjectLockEnabled: types.ObjectLockEnabledEnabled,
		Rule:              &types.ObjectLockRule{DefaultRetention: &types.DefaultRetention{Mode: types.ObjectLockRetentionModeGovernance, Days: aws.Int32(1)}},
	}})
	ts.Check(err)
	return bucket
}
