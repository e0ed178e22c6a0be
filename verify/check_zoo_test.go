package verify_test

import (
	"context"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/openim-dr/openim-dr/backup"
	"github.com/openim-dr/openim-dr/internal/bucket"
	"github.com/openim-dr/openim-dr/internal/journal"
	"github.com/openim-dr/openim-dr/internal/kube"
	"github.com/openim-dr/openim-dr/internal/mysql"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/storage/dir"
	"github.com/openim-dr/openim-dr/internal/testbed"
	"github.com/openim-dr/openim-dr/internal/testbed/seed"
	"github.com/openim-dr/openim-dr/verify"
)

// zoo is a repository that holds every kind of file of the format, made by the
// real sources from the real servers. Damages are done to copies of it.
type zoo struct {
	*repotest.Fixture
	second     seal.Identity // another operator
	drill      seal.Identity // the drill's
	driller    seal.Signer   // holds the role drill, and no other
	trust      seal.Trust
	nightly    []string // points of all sources; the first was held for a while
	hourly     []string // small ones; the second was swept
	manual     []string // small ones, of which no signed file speaks
	fenced     string   // a run that was given up after two checkpoints
	unfinished string   // one that may be alive
	restore    string
}

func newZoo(t *testing.T) *zoo {
	t.Helper()
	z := &zoo{Fixture: repotest.New(t)}
	var err error
	for _, id := range []*seal.Identity{&z.second, &z.drill} {
		if *id, err = seal.GenerateIdentity(false); err != nil {
			t.Fatal(err)
		}
	}
	if z.driller, err = seal.GenerateSigner(); err != nil {
		t.Fatal(err)
	}
	trusted, err := seal.NewTrustedSigner(z.driller.PublicKey(), []seal.Role{seal.RoleDrill}, time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	z.trust = append(slices.Clone(z.Trust), trusted)
	w := z.writer(t)
	all := realSources(t)
	for range 3 {
		z.nightly = append(z.nightly, takePoint(t, w, "nightly", all...))
		z.hourly = append(z.hourly, takePoint(t, w, "hourly", sampleSource("orders")))
	}
	for range 2 {
		z.manual = append(z.manual, takePoint(t, w, "manual", sampleSource("notes")))
	}
	z.fenced = z.interrupt(t, w)
	z.unfinished = z.interrupt(t, w)
	z.decide(t)
	z.prove(t, z.nightly[1])
	z.journal(t)
	return z
}

func (z *zoo) writer(t *testing.T) *repository.Writer {
	t.Helper()
	o := z.WriterOptions()
	recipient := z.drill.Recipient()
	o.Drill = &recipient
	o.Recipients = append(o.Recipients, z.second.Recipient())
	w, err := repository.OpenWriter(t.Context(), z.Store, o)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// realSources are small and have something of everything.
func realSources(t *testing.T) []backup.Source {
	t.Helper()
	env := testbed.Need(t)
	t.Setenv("ZOO_MYSQL_PASSWORD", env.MySQLPassword)
	t.Setenv("ZOO_S3_ACCESS", env.S3AccessKey)
	t.Setenv("ZOO_S3_SECRET", env.S3SecretKey)
	size := seed.Size{Rows: 200, Objects: 12, Seed: 7, MaxObject: 8 << 10}
	schemas := seed.Schemas{Server: env.NewSchema(t), Chat: env.NewSchema(t)}
	if _, err := seed.MySQL(t.Context(), env.OpenMySQL(t), schemas, size); err != nil {
		t.Fatal(err)
	}
	// Of the two servers this one keeps tags of buckets.
	api, media := env.S3At(t, env.VersitygwEndpoint), strings.ReplaceAll(schemas.Server, "_", "-")
	if _, err := seed.Bucket(t.Context(), api, media, size); err != nil {
		t.Fatal(err)
	}
	tags := &types.Tagging{TagSet: []types.Tag{{Key: aws.String("owner"), Value: aws.String("the zoo")}}}
	if _, err := api.PutBucketTagging(t.Context(), &s3.PutBucketTaggingInput{Bucket: &media, Tagging: tags}); err != nil {
		t.Fatal(err)
	}
	namespaces := make([]string, len(seed.Namespaces()))
	for i := range namespaces {
		namespaces[i] = env.NewNamespace(t)
	}
	if _, err := seed.Kubernetes(t.Context(), env.Kubernetes(t), namespaces, size); err != nil {
		t.Fatal(err)
	}
	main, err := mysql.New("main", &mysql.Settings{
		Address: env.MySQLAddress, User: env.MySQLUser, Password: "env:ZOO_MYSQL_PASSWORD", Schemas: []string{schemas.Server, schemas.Chat},
	}, mysql.Options{Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	buckets, err := bucket.New("media", &bucket.Settings{
		Endpoint: env.VersitygwEndpoint, AccessKey: "env:ZOO_S3_ACCESS", SecretKey: "env:ZOO_S3_SECRET", Buckets: []string{media},
	}, bucket.Options{Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	cluster, err := kube.New("cluster", &kube.Settings{Kubeconfig: env.Kubeconfig, Namespaces: namespaces})
	if err != nil {
		t.Fatal(err)
	}
	return []backup.Source{
		{Name: "main", Kind: mysql.Kind, FormatVersion: 1, Phase: source.Databases, Capturer: main},
		{Name: "media", Kind: bucket.Kind, FormatVersion: 1, Phase: source.Files, Capturer: buckets},
		{Name: "cluster", Kind: kube.Kind, FormatVersion: 1, Phase: source.Configuration, Capturer: cluster},
	}
}

func sampleSource(name string) backup.Source {
	return backup.Source{Name: name, Kind: repotest.SampleKind, FormatVersion: 1, Capturer: &repotest.Sample{
		Name: name, Tables: map[string]string{"a/b": "1\tone\n", "a/c": "2\ttwo\n3\tthree\n"}, Objects: map[string]string{"k": "content"},
	}}
}

func takePoint(t *testing.T, w *repository.Writer, stream string, sources ...backup.Source) string {
	t.Helper()
	r, err := backup.Run(t.Context(), w, backup.Options{
		Instance: repotest.Instance, Stream: stream, Sources: sources, Show: progress.Discard, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return r.Point
}

// interrupt begins a run, which fences the one before it off, and leaves it after
// two checkpoints.
func (z *zoo) interrupt(t *testing.T, w *repository.Writer) string {
	t.Helper()
	draft, err := w.Begin(t.Context(), "weekly", []string{"media"})
	if err != nil {
		t.Fatal(err)
	}
	part := draft.Source("media", bucket.Kind, 1)
	for range 2 {
		segment, err := part.CreateSegment()
		if err != nil {
			t.Fatal(err)
		}
		if err := segment.Add(repository.IndexEntry{Key: "k", ETag: "e", SHA256: strings.Repeat("0", 64)}); err != nil {
			t.Fatal(err)
		}
		ref, err := segment.Commit(t.Context(), func(string) (repository.PackRef, bool) { return repository.PackRef{}, false })
		if err != nil {
			t.Fatal(err)
		}
		if err := part.Checkpoint(t.Context(), repository.BucketProgress{Bucket: "b", Order: "path", Layers: [][]repository.SegmentRef{{ref}}}); err != nil {
			t.Fatal(err)
		}
	}
	return draft.Point()
}

// decide holds one point for a while and sweeps another as a pruner does.
func (z *zoo) decide(t *testing.T) {
	t.Helper()
	for _, s := range []repository.State{
		{Point: z.nightly[0], Change: repository.Hold}, {Point: z.nightly[0], Change: repository.Unhold},
		{Point: z.nightly[2], Change: repository.Hold},
		{Point: z.hourly[1], Change: repository.Forget}, {Point: z.hourly[1], Change: repository.Sweeping},
	} {
		s.By, s.Reason, s.Time = "ops", "the zoo", time.Now()
		if _, err := repository.AppendState(t.Context(), z.Store, z.Open(t), z.Signer, s); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(filepath.Join(z.Dir(), "points", z.hourly[1])); err != nil {
		t.Fatal(err)
	}
}

// prove writes what a drill would have: a signed proof that names the heads.
func (z *zoo) prove(t *testing.T, point string) {
	t.Helper()
	listing, err := z.Open(t).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	proof := repository.Proof{
		Header: repository.Header{Kind: "proof", Format: 1, Repository: z.Open(t).Record().Repository, Path: "proofs/" + point + "/20260101T000000Z-aaaa.json"},
		Point:  point, Instance: repotest.Instance, Ended: time.Now().UTC(),
	}
	for _, stream := range []string{"nightly", "hourly"} {
		h := listing.Head(repotest.Instance, stream)
		proof.Heads = append(proof.Heads, repository.ProofHead{Instance: h.Instance, Stream: h.Stream, Seq: h.Seq, Point: h.Point, SHA256: h.SHA256})
		proof.Set = append(proof.Set, repository.ProofPoint{Source: "main", Point: h.Point, SHA256: h.SHA256})
	}
	writeSigned(t, z.Dir(), z.driller, proof.Path, proof)
}

func (z *zoo) journal(t *testing.T) {
	t.Helper()
	z.restore = repository.NewRestoreID(time.Now())
	j := journal.New(z.Open(t), z.restore, "test", slog.New(slog.DiscardHandler),
		journal.Place{Open: func() (storage.ReadWriter, error) { return z.Store, nil }})
	for _, step := range []repository.RestoreStep{repository.StepBegin, repository.StepLoad, repository.StepEnd} {
		if err := j.Note(t.Context(), repository.RestoreRecord{Step: step, State: repository.StateDone}); err != nil {
			t.Fatal(err)
		}
	}
}

// copyOf returns a copy of the repository that shares its bytes: a damage puts
// another file in the place of one, and never writes into it.
func (z *zoo) copyOf(t testing.TB, random *rand.Rand) *cage {
	t.Helper()
	c := &cage{zoo: z, t: t, dir: t.TempDir(), random: random}
	err := filepath.WalkDir(z.Dir(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(z.Dir(), path)
		if err != nil {
			return err
		}
		to := filepath.Join(c.dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		return os.Link(path, to)
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// cage is a copy of a repository that is damaged.
type cage struct {
	*zoo
	t      testing.TB
	dir    string
	random *rand.Rand
	heads  []repository.ExpectedHead // that are given to the check
}

// bucketLike adds to a directory what a bucket of GCS has: a CRC32C of what is
// stored, in every listing.
type bucketLike struct{ storage.Storage }

func (b bucketLike) List(ctx context.Context, prefix string, fn func(storage.Info) error) error {
	return b.Storage.List(ctx, prefix, func(i storage.Info) error {
		body, err := b.Open(ctx, i.Name, 0, -1)
		if err != nil {
			return err
		}
		defer body.Close()
		sum := crc32.New(storage.Castagnoli())
		if _, err := io.Copy(sum, body); err != nil {
			return err
		}
		value := sum.Sum32()
		i.CRC32C = &value
		return fn(i)
	})
}

// check runs a check of the copy.
func (c *cage) check(checksums bool, share, point string) (*verify.CheckResult, error) {
	c.t.Helper()
	var store storage.Storage
	store, err := dir.Open(c.dir)
	if err != nil {
		c.t.Fatal(err)
	}
	if checksums {
		store = bucketLike{store}
	}
	return runCheck(c.t, store, c.trust, share, point, c.heads...)
}

func runCheck(t testing.TB, store storage.Reader, trust seal.Trust, share, point string, heads ...repository.ExpectedHead) (*verify.CheckResult, error) {
	t.Helper()
	chosen, err := verify.ParseCheckShare(share, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	audit, err := repository.NewAudit(store, repository.AuditOptions{Options: repository.Options{Trust: trust}, Read: chosen.Read()})
	if err != nil {
		t.Fatal(err)
	}
	return verify.Check(t.Context(), audit, verify.CheckOptions{Point: point, Share: chosen, Heads: heads, Show: progress.Discard})
}
