package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/openim-dr/openim-dr/internal/testbed/seed"
)

// What the peer runs: src is the S3 server, and crypt encrypts into a directory.
const (
	syncCommand      = "rclone sync src:$BUCKET crypt: --transfers 8 --fast-list"
	unchangedCommand = syncCommand + " --size-only"
	bringCommand     = "rclone sync crypt: src:$BUCKET --transfers 8 --fast-list"
)

// bucketBench is the state of the buckets' part.
type bucketBench struct {
	options
	dir    string
	env    map[string]string
	api    *s3.Client
	bucket string
	dirs   tool // keeps a repository in a directory
	gcs    tool // and one in the emulator
	peer   []string

	first, gcsFirst, unchanged, changed, restored       []measurement
	peerFirst, peerUnchanged, peerChanged, peerRestored []measurement
	listing                                             []measurement
}

// untilSettled is how long a bucket is left alone before it is mirrored: what is
// captured within two seconds of its writing is read again by the next run,
// which is not what is to be measured.
const untilSettled = 3 * time.Second

// newBucketBench works in a directory of its own below the output, and in a
// bucket that is not there yet.
func newBucketBench(o options, dir string) (*bucketBench, error) {
	env, err := readEnv(o.env)
	if err != nil {
		return nil, err
	}
	b := &bucketBench{options: o, dir: filepath.Join(o.out, dir), env: env, bucket: fmt.Sprintf("bench-%d", time.Now().Unix())}
	b.api = s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(env["S3_ENDPOINT"]), UsePathStyle: true,
		Credentials:                credentials.NewStaticCredentialsProvider(env["S3_ACCESS_KEY"], env["S3_SECRET_KEY"], ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	})
	return b, os.RemoveAll(b.dir)
}

// sources is the part of a configuration that names the bucket, and secrets are
// the variables that it refers to.
func (b *bucketBench) sources() string {
	return fmt.Sprintf(`sources:
  - {name: media, kind: buckets, endpoint: "%s", accessKey: "env:BENCH_ACCESS", secretKey: "env:BENCH_SECRET", buckets: [%s]}
`, b.env["S3_ENDPOINT"], b.bucket)
}

func (b *bucketBench) secrets() []string {
	return []string{"BENCH_ACCESS=" + b.env["S3_ACCESS_KEY"], "BENCH_SECRET=" + b.env["S3_SECRET_KEY"]}
}

func benchBuckets(ctx context.Context, o options) ([]result, error) {
	b, err := newBucketBench(o, "buckets")
	if err != nil {
		return nil, err
	}
	seeded, err := seed.Bucket(ctx, b.api, b.bucket, o.size)
	if err != nil {
		return nil, err
	}
	fmt.Printf("buckets: seeded %d objects, %d MB\n", seeded.Objects, seeded.ObjectBytes/1e6)
	if err := b.prepare(ctx); err != nil {
		return nil, err
	}
	time.Sleep(untilSettled)
	for round := range o.rounds {
		fmt.Printf("buckets: round %d of %d\n", round+1, o.rounds)
		if err := b.round(ctx, round); err != nil {
			return nil, err
		}
	}
	return b.results(ctx)
}

// prepare makes configurations.
func (b *bucketBench) prepare(ctx context.Context) (err error) {
	dir := filepath.Join(b.dir, "openim-dr")
	if b.dirs, err = newTool(ctx, b.binary, dir, filepath.Join(dir, "repository"), b.sources(), b.secrets()...); err != nil {
		return err
	}
	_, password, err := command(ctx, nil, b.rclone, "obscure", "a password of the benchmark")
	b.peer = []string{
		"RCLONE_CONFIG=/dev/null",
		"RCLONE_CONFIG_SRC_TYPE=s3", "RCLONE_CONFIG_SRC_PROVIDER=SeaweedFS", "RCLONE_CONFIG_SRC_ENDPOINT=" + b.env["S3_ENDPOINT"],
		"RCLONE_CONFIG_SRC_ACCESS_KEY_ID=" + b.env["S3_ACCESS_KEY"], "RCLONE_CONFIG_SRC_SECRET_ACCESS_KEY=" + b.env["S3_SECRET_KEY"],
		"RCLONE_CONFIG_CRYPT_TYPE=crypt", "RCLONE_CONFIG_CRYPT_REMOTE=" + filepath.Join(b.dir, "rclone"),
		"RCLONE_CONFIG_CRYPT_PASSWORD=" + strings.TrimSpace(string(password)),
	}
	return err
}

// gcsTool keeps each round's repository under a prefix of its own.
func (b *bucketBench) gcsTool(ctx context.Context, round int) (tool, error) {
	url := fmt.Sprintf("gs://%s/%s-%d", b.env["GCS_BUCKET"], b.bucket, round)
	env := append([]string{"STORAGE_EMULATOR_HOST=" + b.env["STORAGE_EMULATOR_HOST"]}, b.dirs.env...)
	return newTool(ctx, b.binary, filepath.Join(b.dir, fmt.Sprintf("gcs-%d", round)), url, b.sources(), env...)
}

// round measures everything once, ours and the peer in turn.
func (b *bucketBench) round(ctx context.Context, round int) (err error) {
	if b.gcs, err = b.gcsTool(ctx, round); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(b.dir, "rclone")); err != nil {
		return err
	}
	back := fmt.Sprintf("%s-back-%d", b.bucket, round)
	for _, run := range []struct {
		into *[]measurement
		do   func() (measurement, error)
	}{
		{&b.first, func() (measurement, error) { return b.dirs.backup(ctx) }},
		{&b.peerFirst, func() (measurement, error) { return b.runPeer(ctx, syncCommand, b.bucket) }},
		{&b.gcsFirst, func() (measurement, error) { return b.gcs.backup(ctx) }},
		{&b.unchanged, func() (measurement, error) { return b.dirs.again(ctx) }},
		{&b.peerUnchanged, func() (measurement, error) { return b.runPeer(ctx, unchangedCommand, b.bucket) }},
		{&b.listing, func() (measurement, error) { return b.list(ctx) }},
		{nil, func() (measurement, error) {
			_, err := seed.Change(ctx, seed.Stores{S3: b.api, Bucket: b.bucket}, b.size, round+1)
			return measurement{}, err
		}},
		{&b.changed, func() (measurement, error) { return b.dirs.again(ctx) }},
		{&b.peerChanged, func() (measurement, error) { return b.runPeer(ctx, syncCommand, b.bucket) }},
		{&b.restored, func() (measurement, error) {
			m, compared, err := b.dirs.restore(ctx, "--rename", b.bucket+"="+back+"-ours")
			m.elapsed -= time.Duration(compared * float64(time.Second)) // rclone compares nothing
			return m, err
		}},
		{&b.peerRestored, func() (measurement, error) { return b.runPeer(ctx, bringCommand, back+"-peer") }},
	} {
		if err := settle(ctx); err != nil {
			return err
		}
		m, err := run.do()
		if err != nil {
			return err
		}
		if run.into != nil {
			*run.into = append(*run.into, m)
		}
	}
	return nil
}

func (b *bucketBench) runPeer(ctx context.Context, script, bucket string) (measurement, error) {
	script = strings.ReplaceAll(strings.ReplaceAll(script, "$BUCKET", bucket), "rclone ", b.rclone+" ")
	m, _, err := command(ctx, b.peer, "bash", "-euc", script)
	if err != nil {
		return m, err
	}
	m.bytes, err = sizeOf(filepath.Join(b.dir, "rclone"))
	return m, err
}

// list is the floor under a run in which nothing has changed.
func (b *bucketBench) list(ctx context.Context) (measurement, error) {
	began := time.Now()
	pages := s3.NewListObjectsV2Paginator(b.api, &s3.ListObjectsV2Input{Bucket: aws.String(b.bucket)})
	for pages.HasMorePages() {
		if _, err := pages.NextPage(ctx); err != nil {
			return measurement{}, err
		}
	}
	return measurement{elapsed: time.Since(began)}, nil
}

func (b *bucketBench) results(ctx context.Context) ([]result, error) {
	_, version, err := command(ctx, nil, b.rclone, "version")
	if err != nil {
		return nil, err
	}
	name, _, _ := strings.Cut(string(version), "\n")
	all := []result{
		against("bucket.first/rclone", 0.60, b.first, b.peerFirst),
		against("bucket.first-gcs/dir", 1.5, b.gcsFirst, b.first),
		against("bucket.unchanged/rclone", 0.25, b.unchanged, b.peerUnchanged),
		against("bucket.unchanged/listing", 2, b.unchanged, b.listing),
		against("bucket.changed/rclone", 0.3, b.changed, b.peerChanged),
		against("bucket.restore/rclone", 0.8, b.restored, b.peerRestored),
		peak("bucket.memory", memoryLimit, b.first, b.gcsFirst, b.unchanged, b.changed, b.restored),
	}
	for i, command := range []string{syncCommand, "", unchangedCommand, "", syncCommand, bringCommand, ""} {
		if command != "" {
			all[i].PeerCommand, all[i].PeerVersion = command, name
		}
	}
	if all[0].OursBytes == 0 {
		return nil, errors.New("openim-dr wrote nothing")
	}
	return all, nil
}
