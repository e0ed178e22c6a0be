package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/openim-dr/openim-dr/internal/testbed/seed"
)

const (
	kills = 50
	// againLimit is what a restore that was killed and resumed may send a second
	// time, in hundredths of all that it sends.
	againLimit = 5
	// quiet is how long a killed process's last bytes may be on their way.
	quiet = 200 * time.Millisecond
)

// killBench is the state of the part that kills restores.
type killBench struct {
	*bucketBench
	source, target *server
	mysql, s3      *relay
	tool           tool
	random         *rand.Rand

	whole   sent          // by a restore that nobody kills
	lasts   time.Duration // and how long it takes
	shares  []float64     // sent again, of whole
	resumed int           // of the restores; the others had not begun
}

// benchKills kills restores of a deployment at random moments and resumes each, and
// counts what the servers were sent a second time.
func benchKills(ctx context.Context, o options) (_ []result, err error) {
	buckets, err := newBucketBench(o, "kills")
	if err != nil {
		return nil, err
	}
	b := &killBench{bucketBench: buckets, random: rand.New(rand.NewPCG(o.size.Seed, kills))}
	for _, s := range []struct {
		into **server
		name string
	}{{&b.source, "source"}, {&b.target, "target"}} {
		if *s.into, err = startServer(ctx, b.env["MYSQL_IMAGE"], b.env["TESTBED_LABEL"], filepath.Join(b.dir, s.name)); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, (*s.into).stop(ctx)) }()
	}
	for _, r := range []struct {
		into    **relay
		address string
	}{{&b.mysql, b.target.address}, {&b.s3, strings.TrimPrefix(b.env["S3_ENDPOINT"], "http://")}} {
		if *r.into, err = startRelay(ctx, r.address); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, (*r.into).close()) }()
	}
	if err := b.prepareKills(ctx); err != nil {
		return nil, err
	}
	for n := range kills {
		if err := b.killOnce(ctx, n); err != nil {
			return nil, fmt.Errorf("kill %d: %w", n+1, err)
		}
	}
	return []result{b.sentAgain()}, nil
}

// prepareKills seeds the deployment, takes a point of it, and restores that once.
func (b *killBench) prepareKills(ctx context.Context) error {
	fmt.Printf("kills: seed %d rows and %d objects\n", b.size.Rows, b.size.Objects)
	if _, err := seed.MySQL(ctx, b.source.db, seed.Schemas{}, b.size); err != nil {
		return err
	}
	if _, err := seed.Bucket(ctx, b.api, b.bucket, b.size); err != nil {
		return err
	}
	config := b.sources() + fmt.Sprintf(`  - {name: main, kind: mysql, address: "%s", user: root, password: "env:SOURCE_PASSWORD", tls: disabled, schemas: [%[3]s], accounts: none}
targets:
  other:
    - {name: main, kind: mysql, address: "%[2]s", user: root, password: "env:TARGET_PASSWORD", tls: disabled, schemas: [%[3]s]}
    - {name: media, kind: buckets, endpoint: "http://%[4]s", accessKey: "env:BENCH_ACCESS", secretKey: "env:BENCH_SECRET", buckets: [%[5]s]}
`, b.source.address, b.mysql.address(), strings.Join(schemas, ", "), b.s3.address(), b.bucket)
	dir := filepath.Join(b.dir, "openim-dr")
	var err error
	b.tool, err = newTool(ctx, b.binary, dir, filepath.Join(dir, "repository"), config,
		append(b.secrets(), "SOURCE_PASSWORD="+b.source.password, "TARGET_PASSWORD="+b.target.password)...)
	if err != nil {
		return err
	}
	if _, err := b.tool.backup(ctx); err != nil {
		return err
	}
	m, _, err := b.tool.restore(ctx, b.order("whole")...)
	b.whole, b.lasts = b.passed(), m.elapsed
	fmt.Printf("kills: one that nobody kills takes %.1f s and sends %d MB to MySQL and %d MB to the bucket\n", b.lasts.Seconds(), b.whole.mysql/1e6, b.whole.s3/1e6)
	return err
}

// order restores into a bucket of its own.
func (b *killBench) order(name string) []string {
	return []string{"--target", "other", "--rename", "media/" + b.bucket + "=" + b.bucket + "-" + name}
}

// sent is how many bytes were sent to the servers.
type sent struct{ mysql, s3 int64 }

func (s sent) all() float64 { return float64(s.mysql + s.s3) }

// passed waits for what is on its way.
func (b *killBench) passed() sent {
	time.Sleep(quiet)
	return sent{b.mysql.sent.Load(), b.s3.sent.Load()}
}

// killOnce kills one restore at a random moment, and goes on with it.
func (b *killBench) killOnce(ctx context.Context, n int) error {
	if err := errors.Join(b.target.dropAll(ctx), settle(ctx)); err != nil {
		return err
	}
	before, order := b.passed(), b.order(fmt.Sprint(n))
	known, err := b.journals()
	if err != nil {
		return err
	}
	moment := time.Duration(b.random.Float64() * float64(b.lasts))
	if err := b.killAfter(ctx, moment, order); err != nil {
		return err
	}
	begun, err := b.journals()
	if err != nil {
		return err
	}
	for _, id := range begun {
		if !slices.Contains(known, id) {
			order = []string{"--resume", id}
			b.resumed++
		}
	}
	if _, _, err := b.tool.restore(ctx, order...); err != nil {
		return err
	}
	if _, err := b.api.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: aws.String(fmt.Sprintf("%s-%d", b.bucket, n))}); err != nil {
		return err
	}
	now := b.passed()
	again := sent{now.mysql - before.mysql - b.whole.mysql, now.s3 - before.s3 - b.whole.s3}
	share := again.all() / b.whole.all()
	b.shares = append(b.shares, share)
	fmt.Printf("kills: %d of %d, after %.1f s: %.1f MB sent again to MySQL and %.1f MB to the bucket, %.2f %% of all\n", n+1, kills, moment.Seconds(),
		float64(again.mysql)/1e6, float64(again.s3)/1e6, 100*share)
	return nil
}

// killAfter starts a restore, and kills it.
func (b *killBench) killAfter(ctx context.Context, moment time.Duration, order []string) error {
	args := append([]string{"restore", "--config", b.tool.config, "--identity", filepath.Join(b.tool.dir, "operator.key"), "--yes", "--no-progress", "-o", "json"}, order...)
	cmd := exec.CommandContext(ctx, b.binary, args...)
	cmd.Env = append(os.Environ(), b.tool.env...)
	var errs strings.Builder
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		return err
	}
	kill := time.AfterFunc(moment, func() { _ = cmd.Process.Kill() }) // it may have ended
	defer kill.Stop()
	var exit *exec.ExitError
	if err := cmd.Wait(); errors.As(err, &exit) && exit.ExitCode() != -1 {
		return fmt.Errorf("restore: %w\n%s", err, &errs)
	}
	return nil
}

// journals lists the restores that the repository knows of.
func (b *killBench) journals() (ids []string, err error) {
	entries, err := os.ReadDir(filepath.Join(b.tool.repository, "restores"))
	for _, e := range entries {
		ids = append(ids, e.Name())
	}
	return ids, err
}

// sentAgain is the worst of all restores: what one that was killed has sent again, in
// hundredths of all that it sends.
func (b *killBench) sentAgain() result {
	sum := 0.0
	var rounds []float64
	for _, share := range b.shares {
		sum += share
		rounds = append(rounds, 100*share)
	}
	return result{
		Name: "restore.sent-again", Unit: "%", Limit: againLimit, OursRounds: rounds, Ours: slices.Max(rounds),
		Note: fmt.Sprintf("%d restores of %d MB killed at random moments, %d of them resumed, all equal; %.1f %% on average", kills, int64(b.whole.all()/1e6), b.resumed, 100*sum/float64(kills)),
	}
}
