package bucket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/openim-dr/openim-dr/internal/repository"
)

// propertiesFile is the file of a point that holds what a bucket carries.
const propertiesFile = "properties.json"

// properties are what a bucket carries besides its objects. A field is empty
// where the bucket has nothing of the kind, or the server does not know it.
type properties struct {
	Policy     string                       `json:"policy,omitempty"`
	CORS       []types.CORSRule             `json:"cors,omitempty"`
	Lifecycle  []types.LifecycleRule        `json:"lifecycle,omitempty"`
	Versioning types.BucketVersioningStatus `json:"versioning,omitempty"`
	Tags       []types.Tag                  `json:"tags,omitempty"`
}

// property is one of them: how it is read and set.
type property struct {
	name string
	of   func(*properties) any // a pointer to its field
	get  func(context.Context, *s3.Client, *string, *properties) error
	put  func(context.Context, *s3.Client, *string, *properties) error
}

var bucketProperties = []property{
	{
		"versioning", func(p *properties) any { return &p.Versioning },
		func(ctx context.Context, c *s3.Client, bucket *string, p *properties) error {
			out, err := c.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: bucket})
			if err == nil {
				p.Versioning = out.Status
			}
			return err
		},
		func(ctx context.Context, c *s3.Client, bucket *string, p *properties) error {
			_, err := c.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: p.Versioning}})
			return err
		},
	},
	{
		"policy", func(p *properties) any { return &p.Policy },
		func(ctx context.Context, c *s3.Client, bucket *string, p *properties) error {
			out, err := c.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: bucket})
			if err == nil {
				p.Policy = aws.ToString(out.Policy)
			}
			return err
		},
		func(ctx context.Context, c *s3.Client, bucket *string, p *properties) error {
			_, err := c.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: bucket, Policy: &p.Policy})
			return err
		},
	},
	{
		"cors", func(p *properties) any { return &p.CORS },
		func(ctx context.Context, c *s3.Client, bucket *string, p *properties) error {
			out, err := c.GetBucketCors(ctx, &s3.GetBucketCorsInput{Bucket: bucket})
			if err == nil {
				p.CORS = out.CORSRules
			}
			return err
		},
		func(ctx context.Context, c *s3.Client, bucket *string, p *properties) error {
			_, err := c.PutBucketCors(ctx, &s3.PutBucketCorsInput{Bucket: bucket, CORSConfiguration: &types.CORSConfiguration{CORSRules: p.CORS}})
			return err
		},
	},
	{
		"lifecycle", func(p *properties) any { return &p.Lifecycle },
		func(ctx context.Context, c *s3.Client, bucket *string, p *properties) error {
			out, err := c.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: bucket})
			if err == nil {
				p.Lifecycle = out.Rules
			}
			return err
		},
		func(ctx context.Context, c *s3.Client, bucket *string, p *properties) error {
			_, err := c.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{
				Bucket: bucket, LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: p.Lifecycle},
			})
			return err
		},
	},
	{
		"tags", func(p *properties) any { return &p.Tags },
		func(ctx context.Context, c *s3.Client, bucket *string, p *properties) error {
			out, err := c.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: bucket})
			if err == nil {
				p.Tags = out.TagSet
			}
			return err
		},
		func(ctx context.Context, c *s3.Client, bucket *string, p *properties) error {
			_, err := c.PutBucketTagging(ctx, &s3.PutBucketTaggingInput{Bucket: bucket, Tagging: &types.Tagging{TagSet: p.Tags}})
			return err
		},
	},
}

func (p property) isSet(in *properties) bool { return !reflect.ValueOf(p.of(in)).Elem().IsZero() }

// names returns those that the bucket has.
func (p *properties) names() []string {
	var names []string
	for _, one := range bucketProperties {
		if one.isSet(p) {
			names = append(names, one.name)
		}
	}
	return names
}

// properties reads what a bucket carries. Denied counts what the account may
// not read.
func (s *Source) properties(ctx context.Context, bucket string) (p *properties, denied int64, err error) {
	p = new(properties)
	for _, one := range bucketProperties {
		began := time.Now()
		err := s.call(ctx, func(ctx context.Context) error { return one.get(ctx, s.api(), &bucket, p) })
		switch {
		case err == nil || isNoBucket(err): // the listing says so better
		case isDenied(err):
			denied++
		case statusOf(err) == http.StatusNotFound, isRefused(err):
			// It has none, or the server knows none: in many words, by many codes.
		default:
			return nil, 0, s.explain(ctx, fmt.Sprintf("read %s of bucket %s", one.name, bucket), err, began)
		}
	}
	return p, denied, nil
}

// isRefused reports that a server does not know or take what it is asked for.
func isRefused(err error) bool {
	status := statusOf(err)
	return status >= http.StatusBadRequest && status < http.StatusInternalServerError || status == http.StatusNotImplemented
}

// call bounds a call with everything that belongs to it.
func (s *Source) call(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.options.patience.call)
	defer cancel()
	return do(ctx)
}

// startProperties reads what a bucket carries while its objects are mirrored:
// SeaweedFS answers what it does not know with a page of keys. The caller must
// call what it returns, which waits, not for long where it is not wanted.
func (s *Source) startProperties(ctx context.Context, bucket string) func(wanted bool) (p *properties, denied int64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	var p *properties
	var denied int64
	var group errgroup.Group
	group.Go(func() (err error) {
		p, denied, err = s.properties(ctx, bucket)
		return err
	})
	return func(wanted bool) (*properties, int64, error) {
		defer cancel()
		if !wanted {
			cancel()
		}
		err := group.Wait()
		return p, denied, err
	}
}

// keepProperties keeps what a bucket carries, sealed: a policy names accounts.
func keepProperties(ctx context.Context, draft *repository.SourceDraft, bucket string, p *properties, denied int64) error {
	if denied > 0 {
		draft.Warn(warnProperties, denied)
	}
	if len(p.names()) == 0 {
		return nil
	}
	file, err := draft.Create(ctx, propertiesFile, bucket)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(file).Encode(p); err != nil {
		file.Abort()
		return err
	}
	return file.Commit()
}

// readProperties returns what the point holds of a bucket, as its copy at the
// target has it; nothing of a point in which no bucket carried anything.
func readProperties(ctx context.Context, from *repository.SourceReader, bucket, target string) (p *properties, err error) {
	p = new(properties)
	if !from.Has(propertiesFile, bucket) {
		return p, nil
	}
	file, err := from.Open(ctx, propertiesFile, bucket)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	data, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, p); err != nil {
		return nil, err
	}
	p.Policy = renamePolicy(p.Policy, bucket, target)
	return p, nil
}

// renamePolicy has a policy speak of the bucket's copy: servers take none that
// speaks of another bucket.
func renamePolicy(policy, bucket, target string) string {
	const arn = "arn:aws:s3:::"
	return strings.NewReplacer(arn+bucket+"/", arn+target+"/", arn+bucket+`"`, arn+target+`"`).Replace(policy)
}

// setProperties gives the target's bucket what the captured one carried. What
// the server does not take, the comparison reports.
func (s *Source) setProperties(ctx context.Context, from *repository.SourceReader, p *planned) error {
	if !p.pick.whole() {
		return nil
	}
	want, err := readProperties(ctx, from, p.list.Bucket, p.target)
	if err != nil {
		return err
	}
	for _, one := range bucketProperties {
		if !one.isSet(want) {
			continue
		}
		began := time.Now()
		err := s.call(ctx, func(ctx context.Context) error { return one.put(ctx, s.api(), &p.target, want) })
		if err != nil && !isRefused(err) {
			return s.explain(ctx, fmt.Sprintf("set %s of bucket %s", one.name, p.target), err, began)
		}
	}
	return nil
}

// compareProperties holds what the target's bucket carries against the point.
func (c *comparer) compareProperties(ctx context.Context) error {
	if !c.plan.pick.whole() {
		return nil
	}
	want, err := readProperties(ctx, c.from, c.plan.list.Bucket, c.plan.target)
	if err != nil {
		return err
	}
	got, _, err := c.source.properties(ctx, c.plan.target)
	if err != nil {
		return err
	}
	for _, one := range bucketProperties {
		if a, b := canonical(one.of(want)), canonical(one.of(got)); one.isSet(want) && a != b {
			c.differ("", one.name, digestOfText(a), digestOfText(b))
		}
	}
	return nil
}

// canonical is JSON in which neither blanks nor the order of names matter.
func canonical(v any) string {
	if text, ok := v.(*string); ok {
		var parsed any
		if json.Unmarshal([]byte(*text), &parsed) != nil {
			return *text
		}
		v = parsed
	}
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(data)
}
