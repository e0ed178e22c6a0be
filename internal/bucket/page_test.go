package bucket

import (
	"encoding/xml"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// reference reads a page with encoding/xml.
func reference(data []byte) (*s3.ListObjectsV2Output, error) {
	var page struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		IsTruncated           *bool
		NextContinuationToken *string
		EncodingType          types.EncodingType
		Contents              []struct {
			Key, ETag    *string
			Size         *int64
			LastModified *time.Time
		}
	}
	if err := xml.Unmarshal(data, &page); err != nil {
		return nil, err
	}
	out := &s3.ListObjectsV2Output{IsTruncated: page.IsTruncated, NextContinuationToken: page.NextContinuationToken, EncodingType: page.EncodingType}
	for _, o := range page.Contents {
		out.Contents = append(out.Contents, types.Object{Key: o.Key, ETag: o.ETag, Size: o.Size, LastModified: o.LastModified})
	}
	return out, nil
}

// whatIsRead leaves out of a comparison what listing does not look at.
var whatIsRead = cmp.Options{
	cmpopts.IgnoreUnexported(s3.ListObjectsV2Output{}, types.Object{}),
	cmpopts.IgnoreFields(s3.ListObjectsV2Output{}, "ResultMetadata", "Name", "MaxKeys", "KeyCount", "Prefix", "StartAfter", "Delimiter", "ContinuationToken"),
	cmpopts.IgnoreFields(types.Object{}, "StorageClass", "Owner", "ChecksumAlgorithm", "ChecksumType"),
}

const seaweedfsPage = `<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix></Prefix><MaxKeys>1000</MaxKeys><IsTruncated>true</IsTruncated><Contents><Key>a/b</Key><ETag>&#34;bdf9&#34;</ETag><Size>5219</Size><Owner><ID>0</ID></Owner><StorageClass>STANDARD</StorageClass><LastModified>2026-11-27T00:03:43Z</LastModified></Contents><Contents><Key>a &amp; b&lt;&#x263A;é</Key><ETag>&quot;&quot;</ETag><Size>0</Size><LastModified>2026-11-27T00:03:40.123Z</LastModified></Contents><NextContinuationToken>a &amp; b</NextContinuationToken><KeyCount>2</KeyCount></ListBucketResult>
`

// What is written in another way than servers do is left to the SDK, never
// misread.
func TestParsePage(t *testing.T) {
	element := func(inside string) string { return "<ListBucketResult>" + inside + "</ListBucketResult>" }
	tests := map[string]struct {
		page string
		ours bool
	}{
		"of SeaweedFS":                 {seaweedfsPage, true},
		"nothing in it":                {element(""), true},
		"an empty element":             {element("<Contents><Key/></Contents><Prefix />"), true},
		"indented":                     {element("\n  <Contents>\n    <Key>a</Key>\n  </Contents>\n"), true},
		"an inner key":                 {element("<Contents><Owner><Key>no</Key></Owner><Key>yes</Key></Contents>"), true},
		"a key beside":                 {element("<CommonPrefixes><Key>no</Key></CommonPrefixes>"), true},
		"cut off":                      {"<ListBucketResult><Contents><Key>a</Key>", false},
		"another document":             {"<Error><Code>SlowDown</Code></Error>", false},
		"nothing":                      {"", false},
		"two documents":                {element("") + element(""), false},
		"CDATA":                        {element("<Contents><Key><![CDATA[a]]></Key></Contents>"), false},
		"a comment":                    {element("<!-- > --><Contents><Key>a<!-- b --></Key></Contents>"), false},
		"an attribute":                 {element(`<Contents type="a>b"><Key>a</Key></Contents>`), false},
		"a prefix":                     {element("<s:Contents><s:Key>a</s:Key></s:Contents>"), false},
		"an unknown entity":            {element("<Contents><Key>&nbsp;</Key></Contents>"), false},
		"an entity without end":        {element("<Contents><Key>a &amp b</Key></Contents>"), false},
		"a character XML cannot carry": {element("<Contents><Key>&#1;</Key></Contents>"), false},
		"a raw control character":      {element("<Contents><Key>\x01</Key></Contents>"), false},
		"a carriage return":            {element("<Contents><Key>a\r\nb</Key></Contents>"), false},
		"no UTF-8":                     {element("<Contents><Key>\xff</Key></Contents>"), false},
		"text between":                 {element("<Contents>a<Key>b</Key>c</Contents>"), false},
		"crossed":                      {element("<Contents><Key>a</Contents></Key>"), false},
		"no number":                    {element("<Contents><Size>many</Size></Contents>"), false},
		"no time":                      {element("<Contents><LastModified>today</LastModified></Contents>"), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parsePage([]byte(tt.page))
			if (err == nil) != tt.ours {
				t.Fatalf("got %v, %v", got, err)
			}
			if err != nil {
				return
			}
			want, err := reference([]byte(tt.page))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, whatIsRead); diff != "" {
				t.Errorf("page (-encoding/xml +ours):\n%s", diff)
			}
		})
	}
}

func FuzzParsePage(f *testing.F) {
	f.Add([]byte(seaweedfsPage))
	f.Add([]byte("<ListBucketResult><Contents><Key>a&#x41;</Key><Size>1</Size></Contents></ListBucketResult>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := parsePage(data)
		if err != nil {
			return
		}
		want, err := reference(data)
		if err != nil {
			t.Fatalf("encoding/xml refuses it: %v\n%q", err, data)
		}
		if diff := cmp.Diff(want, got, whatIsRead); diff != "" {
			t.Errorf("%q (-encoding/xml +ours):\n%s", data, diff)
		}
	})
}

// A page is what the SDK makes of it, with one request.
func TestListObjectsIsTheSDKs(t *testing.T) {
	t.Parallel()
	onEachServer(t, Options{}, func(s *stand) {
		s.put(zoo()...)
		for name, in := range map[string]s3.ListObjectsV2Input{
			"all":        {},
			"two":        {MaxKeys: aws.Int32(2)},
			"escaped":    {EncodingType: types.EncodingTypeUrl},
			"a prefix":   {Prefix: aws.String("a b+&/"), EncodingType: types.EncodingTypeUrl},
			"from there": {StartAfter: aws.String("large/"), EncodingType: types.EncodingTypeUrl},
		} {
			in.Bucket = &s.bucket
			before := s.source.client.requests.Load()
			got, err := s.source.client.listObjects(s.Context(), &in)
			if err != nil {
				s.Fatal(err)
			}
			if n := s.source.client.requests.Load() - before; n != 1 {
				s.Errorf("%s: %d requests", name, n)
			}
			want, err := s.source.api().ListObjectsV2(s.Context(), &in)
			if err != nil {
				s.Fatal(err)
			}
			if diff := cmp.Diff(want, got, whatIsRead); diff != "" {
				s.Errorf("%s (-SDK +ours):\n%s", name, diff)
			}
			if name == "all" && len(got.Contents) == 0 {
				s.Error("nothing is listed")
			}
		}
		missing := "no-such-bucket-anywhere"
		if _, err := s.source.client.listObjects(s.Context(), &s3.ListObjectsV2Input{Bucket: &missing}); !isNoBucket(err) {
			s.Errorf("a bucket that is not there: %v", err)
		}
	})
}
