package bucket

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/source"
)

// probeTimeout bounds one check of the doctor.
const probeTimeout = 30 * time.Second

// Examine looks whether the endpoint answers, whether each bucket can be
// listed, and whether strangers are turned away, also by the filer behind a SeaweedFS.
// It changes nothing.
func (s *Source) Examine(ctx context.Context) []source.Finding {
	if isFiler(ctx, s.settings.Endpoint) {
		return []source.Finding{{
			Check: "bucket.reachable", Severity: source.Error, Evidence: s.settings.Endpoint + " is a filer of SeaweedFS, which speaks no S3",
			Remedy: "set endpoint to its S3 server, at port 8333 as a rule; and see what bucket.filer says of a filer that can be reached",
		}}
	}
	var findings []source.Finding
	if endpoint, err := url.Parse(s.settings.Endpoint); err == nil { // settings have been validated
		findings = examineFilers(ctx, filersBeside(endpoint))
	}
	for _, bucket := range s.settings.Buckets {
		listable := s.examineList(ctx, bucket)
		if findings = append(findings, listable...); listable[len(listable)-1].Severity != source.OK {
			continue
		}
		for _, stranger := range s.strangers() {
			findings = append(findings, s.examineStranger(ctx, bucket, stranger))
		}
	}
	return findings
}

// examineList asks for the first key of a bucket.
func (s *Source) examineList(ctx context.Context, bucket string) []source.Finding {
	began := time.Now()
	err := probe(ctx, s.api(), bucket)
	if err == nil || statusOf(err) != 0 {
		reachable := source.Finding{Check: "bucket.reachable", Severity: source.OK, Evidence: fmt.Sprintf("%s answers after %s", s.settings.Endpoint, time.Since(began).Round(time.Millisecond))}
		return []source.Finding{reachable, s.listFinding(ctx, bucket, err, began)}
	}
	return []source.Finding{s.failure(ctx, "bucket.reachable", "reach "+s.settings.Endpoint, err, began)}
}

func (s *Source) listFinding(ctx context.Context, bucket string, err error, began time.Time) source.Finding {
	if err != nil {
		return s.failure(ctx, "bucket.list", "list bucket "+bucket, err, began)
	}
	return source.Finding{Check: "bucket.list", Severity: source.OK, Evidence: "bucket " + bucket + " can be listed"}
}

func (s *Source) failure(ctx context.Context, check, doing string, err error, began time.Time) source.Finding {
	f := source.Finding{Check: check, Severity: source.Error, Evidence: err.Error()}
	if explained, ok := fault.Outermost(s.explain(ctx, doing, err, began)); ok {
		f.Evidence, f.Remedy = explained.Error(), explained.Try
	}
	return f
}

// stranger is somebody who must not get in.
type stranger struct {
	check, who string
	remedy     string
	api        *s3.Client
}

// strangers are tried because a SeaweedFS without -s3.config takes any key, and
// one with an identity "anonymous" takes none at all.
func (s *Source) strangers() []stranger {
	transport := &countingClient{s.client.transport, &s.client.requests}
	return []stranger{
		{
			"bucket.unsigned", "a request without a key",
			"take the rights from the identity \"anonymous\" of the S3 server, and keep its port inside the cluster",
			newS3(&s.settings, aws.AnonymousCredentials{}, s.options.patience.attempts, transport),
		},
		{
			"bucket.wrong-key", "a request with a made-up key",
			"start the S3 server with identities: on SeaweedFS -s3.config, or configureS3 in the chart",
			newS3(&s.settings, credentials.NewStaticCredentialsProvider("OPENIMDRDOCTORPROBE", "no-such-key", ""), s.options.patience.attempts, transport),
		},
	}
}

func (s *Source) examineStranger(ctx context.Context, bucket string, who stranger) source.Finding {
	if s.settings.AccessKey.IsZero() {
		return source.Finding{Check: who.check, Severity: source.Warning, Evidence: "bucket " + bucket + " is read without a key by configuration",
			Remedy: "set accessKey and secretKey of source " + s.name}
	}
	err := probe(ctx, who.api, bucket)
	switch {
	case err == nil:
		return source.Finding{Check: who.check, Severity: source.Error, Evidence: who.who + " can list bucket " + bucket, Remedy: who.remedy}
	case statusOf(err) == http.StatusUnauthorized || statusOf(err) == http.StatusForbidden:
		return source.Finding{Check: who.check, Severity: source.OK, Evidence: fmt.Sprintf("%s is refused by bucket %s (status %d)", who.who, bucket, statusOf(err))}
	default:
		return source.Finding{Check: who.check, Severity: source.Warning, Evidence: "could not be found out: " + err.Error(), Remedy: "run doctor again"}
	}
}

func probe(ctx context.Context, api *s3.Client, bucket string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	_, err := api.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String(bucket), MaxKeys: aws.Int32(1)})
	return err
}
