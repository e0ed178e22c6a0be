package s3

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

const day = 24 * time.Hour

// byMeaning compares errors by what they are.
var byMeaning = cmp.Comparer(func(a, b error) bool { return errors.Is(a, b) || errors.Is(b, a) })

// Versions and Object Lock are seen where a service has them, and what it does not
// know is not taken for something that is off.
func TestRealServiceIsInspected(t *testing.T) {
	env := testbed.Need(t)
	client := env.S3At(t, env.VersitygwEndpoint)
	bucket := testbed.NewBucketAt(t, client)
	s := open(t, env.VersitygwEndpoint, bucket, "prod")
	want := storage.Bucket{
		Service: storage.S3, Name: bucket, Prefix: "prod/", Endpoint: env.VersitygwEndpoint,
		PublicAccessPrevented: storage.Unknown[bool](storage.ErrNotSaid),
		Retention:             storage.Known(storage.Retention{}),
		Versioning:            storage.Known(false),
		Location:              storage.Known(storage.Geography{Name: "us-east-1"}),
		Lifecycle:             storage.Unknown[[]storage.LifecycleRule](storage.ErrNotSaid),
		Rights:                storage.Unknown[[]string](storage.ErrNotSaid),
	}
	requireBucket(t, s, want)

	_, err := client.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
		Bucket: &bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	if err != nil {
		t.Fatal(err)
	}
	want.Versioning = storage.Known(true)
	for mode, retention := range map[types.ObjectLockRetentionMode]storage.Retention{
		types.ObjectLockRetentionModeGovernance: {Period: 30 * day},
		types.ObjectLockRetentionModeCompliance: {Period: 30 * day, Locked: true},
	} {
		_, err := client.PutObjectLockConfiguration(t.Context(), &s3.PutObjectLockConfigurationInput{Bucket: &bucket, ObjectLockConfiguration: &types.ObjectLockConfiguration{
			ObjectLockEnabled: types.ObjectLockEnabledEnabled,
			Rule:              &types.ObjectLockRule{DefaultRetention: &types.DefaultRetention{Mode: mode, Days: aws.Int32(30)}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		want.Retention = storage.Known(retention)
		requireBucket(t, s, want)
	}
}

func requireBucket(t *testing.T, s *Store, want storage.Bucket) {
	t.Helper()
	if diff := cmp.Diff(&want, s.InspectBucket(t.Context()), byMeaning); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// reply is what a service says to one question.
type reply struct {
	status int
	body   string
}

// asked is a store whose service answers the questions about its bucket so, by
// their names in the URL. No service of the testbed has lifecycle rules or a public
// access block: what Amazon says of them comes from a server of the test's own, in
// the words of https://docs.aws.amazon.com/AmazonS3/latest/API/.
func asked(t *testing.T, answers map[string]reply) *Store {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for question, a := range answers {
			if r.URL.Query().Has(question) {
				w.WriteHeader(a.status)
				w.Write([]byte(a.body))
				return
			}
		}
		t.Errorf("the service is asked %s %s", r.Method, r.URL)
	}))
	t.Cleanup(server.Close)
	answers["list-type"] = reply{http.StatusOK, `<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>backups</Name></ListBucketResult>`}
	s, err := Open(t.Context(), "backups", "prod", Options{Endpoint: server.URL, Attempts: 1, Credentials: credentials.NewStaticCredentialsProvider("key", "secret", "")})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const namespace = ` xmlns="http://s3.amazonaws.com/doc/2006-03-01/"`

func TestSettingsAsAmazonWritesThem(t *testing.T) {
	s := asked(t, map[string]reply{
		"publicAccessBlock": {http.StatusOK, `<PublicAccessBlockConfiguration` + namespace + `><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>`},
		"object-lock":       {http.StatusOK, `<ObjectLockConfiguration` + namespace + `><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>COMPLIANCE</Mode><Years>1</Years></DefaultRetention></Rule></ObjectLockConfiguration>`},
		"versioning":        {http.StatusOK, `<VersioningConfiguration` + namespace + `><Status>Enabled</Status></VersioningConfiguration>`},
		"location":          {http.StatusOK, `<LocationConstraint` + namespace + `>eu-central-1</LocationConstraint>`},
		"lifecycle": {http.StatusOK, `<LifecycleConfiguration` + namespace + `>
<Rule><ID>off</ID><Status>Disabled</Status><Filter/><Expiration><Days>1</Days></Expiration></Rule>
<Rule><ID>all</ID><Status>Enabled</Status><Filter/><Expiration><Days>30</Days></Expiration><Transition><Days>7</Days><StorageClass>DEEP_ARCHIVE</StorageClass></Transition><Transition><Days>3</Days><StorageClass>GLACIER_IR</StorageClass></Transition></Rule>
<Rule><ID>old style</ID><Status>Enabled</Status><Prefix>logs/</Prefix><Expiration><Date>2026-12-01T00:00:00Z</Date></Expiration></Rule>
<Rule><ID>tagged</ID><Status>Enabled</Status><Filter><And><Prefix>prod/</Prefix><Tag><Key>a</Key><Value>b</Value></Tag></And></Filter><Expiration><Days>30</Days></Expiration></Rule>
<Rule><ID>tidy</ID><Status>Enabled</Status><Filter/><AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration><NoncurrentVersionExpiration><NoncurrentDays>7</NoncurrentDays></NoncurrentVersionExpiration></Rule>
</LifecycleConfiguration>`},
	})
	requireBucket(t, s, storage.Bucket{
		Service: storage.S3, Name: "backups", Prefix: "prod/", Endpoint: s.options.Endpoint,
		PublicAccessPrevented: storage.Known(true),
		Retention:             storage.Known(storage.Retention{Period: 365 * day, Locked: true}),
		Versioning:            storage.Known(true),
		Location:              storage.Known(storage.Geography{Name: "eu-central-1"}),
		Lifecycle: storage.Known([]storage.LifecycleRule{
			{Deletes: true, When: "at an age of 30 days"},
			{Class: "DEEP_ARCHIVE", Unreadable: true, When: "at an age of 7 days"},
			{Class: "GLACIER_IR", When: "at an age of 3 days"},
			{Deletes: true, When: "on 2026-12-01", Prefixes: []string{"logs/"}},
			{Deletes: true, When: "at an age of 30 days", Prefixes: []string{"prod/"}, Spares: "it is about objects with a tag, which these have not"},
		}),
		Rights: storage.Unknown[[]string](storage.ErrNotSaid),
	})
}

// What is not set, what may not be seen and what a service does not know are three
// things.
func TestSettingsThatAreNotThere(t *testing.T) {
	failure := func(status int, code string) reply {
		return reply{status, `<Error><Code>` + code + `</Code><Message>no</Message></Error>`}
	}
	s := asked(t, map[string]reply{
		"publicAccessBlock": failure(http.StatusNotFound, "NoSuchPublicAccessBlockConfiguration"),
		"object-lock":       failure(http.StatusNotFound, "ObjectLockConfigurationNotFoundError"),
		"versioning":        failure(http.StatusForbidden, "AccessDenied"),
		"location":          {http.StatusOK, `<LocationConstraint` + namespace + `/>`},
		"lifecycle":         failure(http.StatusNotFound, "NoSuchLifecycleConfiguration"),
	})
	want := storage.Bucket{
		Service: storage.S3, Name: "backups", Prefix: "prod/", Endpoint: s.options.Endpoint,
		PublicAccessPrevented: storage.Known(false),
		Retention:             storage.Known(storage.Retention{}),
		Versioning:            storage.Unknown[bool](storage.ErrDenied),
		Location:              storage.Known(storage.Geography{Name: "us-east-1"}),
		Lifecycle:             storage.Known[[]storage.LifecycleRule](nil),
		Rights:                storage.Unknown[[]string](storage.ErrNotSaid),
	}
	requireBucket(t, s, want)
}
