package bucket

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/runbook"
	"github.com/openim-dr/openim-dr/internal/secret"
)

//go:embed byhand.sh.tmpl
var byHandBlocks string

var byHandTemplates = runbook.ParseTemplates(byHandBlocks)

// byHand is what the blocks are made with.
type byHand struct {
	P         string // prefix of variables
	PathStyle bool
	Buckets   []byHandBucket
}

type byHandBucket struct {
	Number         int
	Variable       string // whose value is the bucket's name at the target
	List           string // below the repository
	Properties     string // the same; empty where the bucket carries nothing
	Objects, Bytes int64
}

// ByHand is the part of a page about restoring with stock tools. Settings are
// those of the target, or nil where nobody has named one.
func ByHand(s runbook.Source, settings *Settings) (*runbook.Part, error) {
	var captured Captured
	if err := json.Unmarshal(s.Captured, &captured); err != nil {
		return nil, fault.New(fault.Corrupt, "read what source "+s.Name+" has captured", "%w", err)
	}
	part := &runbook.Part{Source: s.Name, Kind: "buckets of an S3 server", Dir: s.Dir, Tools: byHandTools}
	blocks := byHand{P: s.Prefix, PathStyle: true}
	if settings != nil {
		e := settings.effective()
		settings, blocks.PathStyle, part.Target = &e, *e.PathStyle, e.Endpoint
	}
	part.Variables = append(part.Variables, byHandAccess(s.Prefix, settings)...)
	var objects, size int64
	for i, b := range captured.Buckets {
		one := byHandBucket{
			Number: i + 1, Variable: fmt.Sprintf("%s_BUCKET_%d", s.Prefix, i+1),
			List: s.Dir + "/" + repository.FileName(b.Bucket) + ".json", Objects: b.Objects, Bytes: b.Bytes,
		}
		if at := s.Dir + "/" + repository.FileName(b.Bucket) + "/" + propertiesFile + ".zst.age"; s.Has(at) {
			one.Properties = at
		}
		part.Variables = append(part.Variables, runbook.Variable{Name: one.Variable, Value: s.Rename(b.Bucket), About: "bucket " + b.Bucket + " as it is to be called"})
		part.Lists = append(part.Lists, one.List)
		blocks.Buckets = append(blocks.Buckets, one)
		objects, size = objects+b.Objects, size+b.Bytes
	}
	part.Content = fmt.Sprintf("%s in %s", runbook.Count(objects, "object"), runbook.Count(int64(len(blocks.Buckets)), "bucket")) + ", " + runbook.Bytes(size)
	section, err := blocks.section(s.Name, captured)
	part.Sections = []runbook.Section{section}
	return part, err
}

var byHandTools = []runbook.Tool{
	{Program: "curl", Package: "curl", Note: "7.88 or later: it signs requests to S3"},
	{Program: "tar"}, {Program: "find"}, {Program: "xargs"}, {Program: "basenc"}, {Program: "md5sum"},
}

// byHandAccess are the variables about the server and the account.
func byHandAccess(prefix string, s *Settings) []runbook.Variable {
	known := s != nil
	if !known {
		s = &Settings{Region: "us-east-1"}
	}
	keyFile := func(name, about string, ref secret.Ref) runbook.Variable {
		path, _ := ref.Path()
		return runbook.Variable{Name: prefix + name, Value: path, About: about, File: true, Fill: !known || !ref.IsZero()}
	}
	token := keyFile("_TOKEN_FILE", "a file with the session token, for temporary keys", s.SessionToken)
	token.Fill = !s.SessionToken.IsZero()
	return []runbook.Variable{
		{Name: prefix + "_ENDPOINT", Value: strings.TrimSuffix(s.Endpoint, "/"), Fill: true, About: "URL of the S3 server, without a slash at its end"},
		{Name: prefix + "_REGION", Value: s.Region},
		keyFile("_ACCESS_KEY_FILE", "a file with the access key", s.AccessKey),
		keyFile("_SECRET_KEY_FILE", "a file with the secret key", s.SecretKey),
		token,
		{Name: prefix + "_CA_FILE", Value: s.CA, File: true, About: "PEM file of the authority that signs the server's certificate, if the system does not know it"},
		{Name: prefix + "_OVERWRITE", Value: "no", About: "yes: objects of a bucket that is not empty may be replaced"},
		{Name: prefix + "_LARGE", Value: fmt.Sprint(int64(streamLimit)), About: "larger objects are sent in parts"},
	}
}

func (b byHand) section(source string, captured Captured) (runbook.Section, error) {
	section := runbook.Section{Title: "Source " + source + ": buckets"}
	add := func(blocks ...runbook.Block) { section.Blocks = append(section.Blocks, blocks...) }
	functions, err := byHandTemplates.Shell("functions", b)
	if err != nil {
		return section, err
	}
	step := func(name, done string) error {
		made, err := byHandTemplates.Step(name, done, b)
		add(made)
		return err
	}
	add(runbook.Text(runbook.Spans("Objects come back with their content, Content-Type and other headers, user metadata and tags; only metadata without a value are not sent, which ",
		runbook.Code("curl"), " cannot sign. Each object is read again after it was sent, and its SHA-256 compared with the index.")), functions,
		runbook.Warning(runbook.Spans("A bucket that holds objects is not touched, unless you say so: an object there that has the same key is lost then. "+
			"Objects that the point does not know stay, and the count at the end differs by them.")),
		runbook.Text(runbook.Spans("Are the buckets empty? Those that are missing are made:")))
	if err := step("look", "the buckets of source "+source+" are ready"); err != nil {
		return section, err
	}
	add(runbook.Text(runbook.Spans("Pack by pack: decrypt, unpack, hold against the index, send, read again. What ended well is not done again when the block is:")))
	if err := step("restore", "the objects of source "+source+" are back"); err != nil {
		return section, err
	}
	add(b.notes(captured)...)
	add(runbook.Text(runbook.Spans("At last the servers' own listings, by number of objects and bytes:")))
	err = step("compare", "the buckets of source "+source+" hold what the point holds")
	return section, err
}

// notes are about what the blocks do not bring back.
func (b byHand) notes(captured Captured) []runbook.Block {
	var notes runbook.List
	for i, bucket := range captured.Buckets {
		if b.Buckets[i].Properties != "" {
			notes = append(notes, runbook.Spans("Bucket ", runbook.Code(bucket.Bucket), " carries "+strings.Join(slices.Sorted(slices.Values(bucket.Properties)), ", ")+
				", which the block prints: set them by the means of the server."))
		}
		if bucket.OlderVersions > 0 {
			notes = append(notes, runbook.Spans("Of bucket ", runbook.Code(bucket.Bucket), " the current objects come back; "+
				runbook.Count(bucket.OlderVersions, "older version")+" and delete markers stay in the repository."))
		}
	}
	if notes == nil {
		return nil
	}
	return []runbook.Block{notes}
}
