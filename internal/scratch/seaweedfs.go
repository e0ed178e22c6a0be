package scratch

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/openim-dr/openim-dr/internal/fault"
)

const (
	weedData       = "/data"
	weedIdentities = "/etc/openim-dr-s3.json"
	weedPort       = 8333
	region         = "us-east-1"
)

// S3 starts an empty SeaweedFS for a source, all of its parts in one process. The
// image's entry point takes the arguments of weed, as the official one does.
func (d *Docker) S3(ctx context.Context, source string) (*Server, error) {
	access, key := rand.Text(), rand.Text()+rand.Text()
	identities, err := weedIdentity(access, key)
	if err != nil {
		return nil, err
	}
	c, err := d.start(ctx, blueprint{
		source: source, image: d.options.SeaweedFSImage, port: weedPort, data: weedData,
		command: weedCommand(), files: map[string]string{weedIdentities: identities},
	})
	if err != nil {
		return nil, err
	}
	address, err := c.await(ctx, func(ctx context.Context, address string) error {
		return storeAnything(ctx, "http://"+address, access, key)
	})
	if err == nil {
		err = c.requireWatchable(ctx)
	}
	if err != nil {
		return nil, err
	}
	version, err := c.weedVersion(ctx)
	if err != nil {
		return nil, fault.New(fault.Failed, "ask a scratch server for its version", "%w", err).On(c.image)
	}
	return &Server{
		Source: source, Kind: Buckets, Image: c.image, Version: version, Started: time.Since(c.begun),
		Endpoint: "http://" + address, Region: region, AccessKey: d.hold(access), SecretKey: d.hold(key),
	}, nil
}

// weedCommand overrides what the official entry point says before it, such as to
// preallocate a gigabyte for each volume.
func weedCommand() []string {
	return []string{
		"server", "-dir=" + weedData, "-ip=127.0.0.1", "-ip.bind=0.0.0.0",
		"-master.volumePreallocate=false", "-master.volumeSizeLimitMB=30000", "-volume.max=1000",
		"-filer", "-s3", fmt.Sprintf("-s3.port=%d", weedPort), "-s3.config=" + weedIdentities,
	}
}

// weedIdentity is a configuration with one identity that may do everything.
func weedIdentity(access, key string) (string, error) {
	type credential struct {
		AccessKey string `json:"accessKey"`
		SecretKey string `json:"secretKey"`
	}
	type identity struct {
		Name        string       `json:"name"`
		Credentials []credential `json:"credentials"`
		Actions     []string     `json:"actions"`
	}
	text, err := json.Marshal(map[string][]identity{"identities": {{
		Name: "drill", Credentials: []credential{{access, key}}, Actions: []string{"Admin", "Read", "Write", "List", "Tagging"},
	}}})
	return string(text), err
}

// storeAnything stores an object and removes it with its bucket: the gateway
// answers before there is anything to store objects in.
func storeAnything(ctx context.Context, endpoint, access, key string) error {
	api := s3.New(s3.Options{
		BaseEndpoint: aws.String(endpoint), Region: region, UsePathStyle: true,
		Credentials:                credentials.NewStaticCredentialsProvider(access, key, ""),
		HTTPClient:                 awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.DisableKeepAlives = true }),
		Retryer:                    aws.NopRetryer{},
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	})
	probe := aws.String("openim-dr-probe")
	if _, err := api.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: probe}); err != nil {
		if _, err := api.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: probe}); err != nil {
			return err
		}
	}
	if _, err := api.PutObject(ctx, &s3.PutObjectInput{Bucket: probe, Key: probe, Body: strings.NewReader("probe")}); err != nil {
		return err
	}
	if _, err := api.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: probe, Key: probe}); err != nil {
		return err
	}
	_, err := api.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: probe})
	return err
}

// weedVersion reads "version 30GB 3.80 abcdef linux amd64".
func (c *container) weedVersion(ctx context.Context) (string, error) {
	output, err := c.exec(ctx, "weed", "version")
	if err != nil {
		return "", err
	}
	for _, field := range strings.Fields(output) {
		if majorMinor.MatchString(field) && !strings.HasSuffix(field, "B") {
			return field, nil
		}
	}
	return "", fmt.Errorf("weed version says nothing that is understood")
}
