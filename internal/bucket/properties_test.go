package bucket

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// What a bucket carries besides its objects comes back, as far as the server
// knows it at all.
func TestBucketPropertiesComeBack(t *testing.T) {
	t.Parallel()
	onEachServer(t, Options{}, func(s *stand) {
		want := &properties{
			Policy: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":["s3:GetObject"],"Resource":["arn:aws:s3:::` + s.bucket + `/*"]}]}`,
			CORS:   []types.CORSRule{{AllowedMethods: []string{"GET"}, AllowedOrigins: []string{"https://im.example"}, MaxAgeSeconds: aws.Int32(60)}},
			Lifecycle: []types.LifecycleRule{{
				ID: aws.String("temporary"), Status: types.ExpirationStatusEnabled, Filter: &types.LifecycleRuleFilter{Prefix: aws.String("openim/temp/")},
				Expiration: &types.LifecycleExpiration{Days: aws.Int32(7)},
			}},
			Versioning: types.BucketVersioningStatusEnabled,
			Tags:       []types.Tag{{Key: aws.String("team"), Value: aws.String("im")}},
		}
		for _, one := range bucketProperties {
			if err := one.put(t.Context(), s.client, &s.bucket, want); err != nil {
				s.Logf("%s: %v", one.name, err)
			}
		}
		s.put(zoo()[:3]...)
		there, _, err := s.source.properties(t.Context(), s.bucket)
		if err != nil {
			s.Fatal(err)
		}
		s.Logf("the server holds %v", there.names())
		from := s.capture()
		var captured Captured
		if err := from.Captured(&captured); err != nil || !slices.Equal(captured.Buckets[0].Properties, there.names()) {
			s.Errorf("captured %v, %v; want %v", captured.Buckets[0].Properties, err, there.names())
		}
		copied, plan := s.restore(from)
		there.Policy = strings.ReplaceAll(there.Policy, s.bucket, copied)
		back, _, err := s.source.properties(t.Context(), copied)
		if diff := cmp.Diff(there, back, cmpopts.IgnoreUnexported(types.CORSRule{}, types.LifecycleRule{}, types.LifecycleRuleFilter{}, types.LifecycleExpiration{}, types.Tag{})); err != nil || diff != "" {
			s.Errorf("%v; properties (-want +got):\n%s", err, diff)
		}
		if c := s.compare(from, plan); !c.Equal() {
			s.Errorf("differences %v", c.Differences)
		}
		if len(there.Tags) == 0 {
			return
		}
		if _, err := s.client.DeleteBucketTagging(t.Context(), &s3.DeleteBucketTaggingInput{Bucket: &copied}); err != nil {
			s.Fatal(err)
		}
		if s.compare(from, plan).Equal() {
			s.Error("tags that are gone were not seen")
		}
	})
}
