package repository_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	googlestorage "cloud.google.com/go/storage"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/storage/faulty"
	"github.com/openim-dr/openim-dr/internal/storage/gcs"
	"github.com/openim-dr/openim-dr/internal/storage/s3"
	"github.com/openim-dr/openim-dr/internal/testbed"
	"github.com/openim-dr/openim-dr/internal/testbed/network"
)

// service makes storages in a bucket of a real service, each below a prefix of its
// own.
type service struct {
	bucket string
	open   func(t *testing.T, prefix string) (storage.Storage, error)
	made   int
}

func (s *service) new(t *testing.T) storage.Storage {
	t.Helper()
	s.made++
	store, err := s.open(t, fmt.Sprintf("test/%03d", s.made))
	if err != nil {
		t.Fatal(err)
	}
	return storage.Retry(store, storage.Policy{})
}

// services are an emulator of Google Cloud Storage and an S3 service.
func services(t *testing.T) (google, s3Service *service) {
	t.Helper()
	env := testbed.Need(t)
	t.Setenv("STORAGE_EMULATOR_HOST", env.StorageEmulatorHost)
	google = &service{bucket: env.NewGCSBucket(t)}
	google.open = func(t *testing.T, prefix string) (storage.Storage, error) {
		store, err := gcs.Open(t.Context(), google.bucket, prefix, gcs.Options{})
		if err == nil {
			t.Cleanup(func() { _ = store.Close() })
		}
		return store, err
	}
	s3Service = &service{bucket: testbed.NewBucketAt(t, env.S3At(t, env.VersitygwEndpoint))}
	s3Service.open = func(t *testing.T, prefix string) (storage.Storage, error) {
		return s3.Open(t.Context(), s3Service.bucket, prefix, s3.Options{
			Endpoint: env.VersitygwEndpoint, Credentials: credentials.NewStaticCredentialsProvider(env.S3AccessKey, env.S3SecretKey, ""),
		})
	}
	return google, s3Service
}

// onServices runs a test from each of the services to the other.
func onServices(t *testing.T, test func(t *testing.T, home, copied *service)) {
	google, amazon := services(t)
	t.Run("from gcs to s3", func(t *testing.T) { test(t, google, amazon) })
	t.Run("from s3 to gcs", func(t *testing.T) { test(t, amazon, google) })
}

// moments are a few numbers of calls, drawn evenly, and with the long tests many.
func moments(t *testing.T, calls int) (at []int) {
	t.Helper()
	n := 2
	if os.Getenv("OPENIM_DR_TEST_LONG") != "" {
		n = 40
	}
	first := rand.Float64()
	for i := range min(n, calls) {
		at = append(at, int((float64(i)+first)*float64(calls)/float64(min(n, calls))))
	}
	t.Logf("interrupted ahead of calls %v of %d", at, calls)
	return at
}

// in is the fixture in another place.
func in(f *repotest.Fixture, store storage.Storage) *repotest.Fixture {
	there := *f
	there.Store = store
	return &there
}

// requireSound requires that a place holds whole points, and nothing but what a crash
// leaves.
func requireSound(t *testing.T, f *repotest.Fixture, store storage.Storage, want ...string) {
	t.Helper()
	requireWhole(t, in(f, store), want...)
	requireFindings(t, harmless(audit(t, store, f.Trust)))
}

func TestCopyBetweenServices(t *testing.T) {
	onServices(t, func(t *testing.T, at, copied *service) {
		home, to := at.new(t), copied.new(t)
		f := repotest.Over(t, home)
		w := f.Writer(t)
		ids := takePoints(t, w, 2)
		if result := mustCopy(t, f, home, to); !slices.Equal(result.Copied, ids) {
			t.Errorf("%+v: want %v copied", result, ids)
		}
		ids = append(ids, mustTake(t, w, "manual", sampleNumber(3)).Point)
		if result := mustCopy(t, f, home, to); !slices.Equal(result.Copied, ids[2:]) || !slices.Equal(result.Present, ids[:2]) {
			t.Errorf("%+v: want %v copied", result, ids[2:])
		}
		requireSound(t, f, to, ids...)
		if result := mustCopy(t, f, home, to); result.Files > 0 {
			t.Errorf("nothing was left to copy: %+v", result)
		}
		// What the copy lets go stays at home, and does not come back.
		forget(t, in(f, to), to, ids[0])
		mustSweep(t, in(f, to), to, ids[0])
		mustCopy(t, f, home, to)
		requireSound(t, f, to, ids[1:]...)
		requireSound(t, f, home, ids...)
	})
}

func TestCopyBetweenServicesThatIsInterrupted(t *testing.T) {
	onServices(t, func(t *testing.T, at, copied *service) {
		home := at.new(t)
		f := repotest.Over(t, home)
		ids := takePoints(t, f.Writer(t), 2)
		counted := faulty.New(copied.new(t), faulty.Plan{})
		mustCopy(t, f, home, counted)
		for _, moment := range moments(t, len(counted.Calls())) {
			to := copied.new(t)
			broken := faulty.New(to, faulty.Plan{Fault: faulty.Fail, At: moment + 1, Times: -1, Err: syscall.EROFS})
			if _, err := repository.CopyTo(t.Context(), home, broken, copyOptions(f)); err == nil {
				t.Fatalf("call %d fails, and the copy says that it is done", moment+1)
			}
			if _, err := to.Stat(t.Context(), "repository/1.json"); err == nil {
				requireSound(t, f, to)
			} else if !errors.Is(err, storage.ErrNotExist) {
				t.Fatal(err)
			}
			mustCopy(t, f, home, to)
			requireSound(t, f, to, ids...)
		}
	})
}

// A sweep deletes what it has planned, and one that is interrupted leaves whole points
// and is completed by the next.
func TestSweepOnServices(t *testing.T) {
	onServices(t, func(t *testing.T, at, _ *service) {
		// sweep interrupts one ahead of a call; 0: never.
		sweep := func(moment int) (calls int) {
			home := at.new(t)
			f := repotest.Over(t, home)
			w := f.Writer(t)
			ids := takePoints(t, w, 3)
			forget(t, f, home, ids[:2]...)
			planned, err := repository.PlanSweep(t.Context(), home, sweepOptions(f, ids[:2]...))
			if err != nil {
				t.Fatal(err)
			}
			fault := faulty.Plan{}
			if moment > 0 {
				fault = faulty.Plan{Fault: faulty.Fail, At: moment, Times: -1, Err: syscall.EROFS}
			}
			broken := faulty.New(home, fault)
			result, err := repository.Sweep(t.Context(), broken, f.Signer, sweepOptions(f, ids[:2]...))
			switch {
			case moment > 0 && err == nil:
				t.Fatalf("call %d fails, and the sweep says that it is done", moment)
			case moment > 0:
				requireFindings(t, harmless(audit(t, home, f.Trust)))
				mustSweep(t, f, home, ids[:2]...)
			case err != nil || result.Files != planned.Files || !slices.Equal(result.Points, ids[:2]):
				t.Errorf("swept %+v, planned %+v: %v", result, planned, err)
			default:
				requireFindings(t, audit(t, home, f.Trust))
				ids = append(ids, mustTake(t, w, "manual", sampleNumber(5)).Point)
			}
			requireSound(t, f, home, ids[2:]...)
			return len(broken.Calls())
		}
		for _, moment := range moments(t, sweep(0)) {
			sweep(moment + 1)
		}
	})
}

// What a bucket's own retention keeps stays whole and is counted, and goes when the
// retention has gone.
func TestSweepUnderRetention(t *testing.T) {
	google, _ := services(t)
	home := google.new(t)
	f := repotest.Over(t, home)
	ids := takePoints(t, f.Writer(t), 2)
	forget(t, f, home, ids[0])
	retain := func(period time.Duration) {
		client, err := googlestorage.NewClient(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		policy := googlestorage.BucketAttrsToUpdate{RetentionPolicy: &googlestorage.RetentionPolicy{RetentionPeriod: period}}
		if _, err := client.Bucket(google.bucket).Update(t.Context(), policy); err != nil {
			t.Fatal(err)
		}
	}
	retain(time.Hour)
	if result := mustSweep(t, f, home, ids[0]); result.Protected == 0 || len(result.Points) > 0 {
		t.Errorf("%+v: want what the bucket keeps counted, and no point swept", result)
	}
	requireSound(t, f, home, ids...)
	retain(0)
	mustSweep(t, f, home, ids[0])
	requireSound(t, f, home, ids[1])
}

// A file that is gone, or is another one, in the one service comes from the other.
func TestServicesMakeUpForEachOther(t *testing.T) {
	onServices(t, func(t *testing.T, at, copied *service) {
		home, to := at.new(t), copied.new(t)
		f := repotest.Over(t, home)
		id := takePoints(t, f.Writer(t), 1)[0]
		mustCopy(t, f, home, to)
		spoiled := spoil(t, home)
		repo, err := repository.Open(t.Context(), home, repository.Options{Trust: f.Trust, Copies: []storage.Reader{to}})
		if err != nil {
			t.Fatal(err)
		}
		target := &repotest.Sample{Name: "main"}
		from := repo.Unlock(point(t, f, id), []seal.Identity{f.Operator})[0]
		if _, err := target.Restore(t.Context(), from, nil, progress.Discard); err != nil {
			t.Fatal(err)
		}
		want := sampleNumber(0)
		if diff := cmp.Diff(want.Tables, target.Tables) + cmp.Diff(want.Objects, target.Objects); diff != "" {
			t.Errorf("what came back differs: %s", diff)
		}
		if fell := repo.FellBack(); fell == nil || fell.Count != int64(len(spoiled)) {
			t.Errorf("spoiled %v, and it says %+v", spoiled, fell)
		}
	})
}

// A service to which the network is cut in the midst of a restore is done without.
func TestServiceThatGoesAwayIsDoneWithout(t *testing.T) {
	google, amazon := services(t)
	home, to := amazon.new(t), google.new(t)
	prefix := fmt.Sprintf("test/%03d", amazon.made)
	f := repotest.Over(t, home)
	id := takePoints(t, f.Writer(t), 1)[0]
	mustCopy(t, f, home, to)
	env := testbed.Need(t)
	// restore restores over a network that is cut ahead of a call; 0: never. Two
	// restores differ by a few calls, so the last ones may not come.
	restore := func(cutAt int) (calls []faulty.Call, cut bool) {
		wire := network.New(t, strings.TrimPrefix(env.VersitygwEndpoint, "http://"), "upstream", network.None, 0)
		far, err := s3.Open(t.Context(), amazon.bucket, prefix, s3.Options{
			Endpoint: "http://" + wire.Address(), Attempts: 1,
			Credentials: credentials.NewStaticCredentialsProvider(env.S3AccessKey, env.S3SecretKey, ""),
		})
		if err != nil {
			t.Fatal(err)
		}
		watched := faulty.New(far, faulty.Plan{Before: func(c faulty.Call) {
			if c.N == cutAt {
				wire.Close()
				cut = true
			}
		}})
		impatient := storage.Policy{Elapsed: 200 * time.Millisecond, Initial: 20 * time.Millisecond}
		repo, err := repository.Open(t.Context(), storage.Retry(watched, impatient), repository.Options{Trust: f.Trust, Copies: []storage.Reader{to}})
		if err != nil {
			t.Fatal(err)
		}
		all, err := repo.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		before := len(watched.Calls())
		p, err := all.Find(id)
		if err != nil {
			t.Fatal(err)
		}
		target := &repotest.Sample{Name: "main"}
		if _, err := target.Restore(t.Context(), repo.Unlock(p, []seal.Identity{f.Operator})[0], nil, progress.Discard); err != nil {
			t.Fatalf("cut ahead of call %d: %v", cutAt, err)
		}
		want := sampleNumber(0)
		if diff := cmp.Diff(want.Tables, target.Tables) + cmp.Diff(want.Objects, target.Objects); diff != "" {
			t.Errorf("cut ahead of call %d: what came back differs: %s", cutAt, diff)
		}
		if fell := repo.FellBack(); cut != (fell != nil && len(fell.Unreachable) == 1) {
			t.Errorf("cut ahead of call %d (%t), and it says %+v", cutAt, cut, fell)
		}
		return watched.Calls()[before:], cut
	}
	calls, _ := restore(0)
	cuts := 0
	for _, moment := range moments(t, len(calls)) {
		if _, cut := restore(calls[moment].N); cut {
			cuts++
		}
	}
	if cuts == 0 {
		t.Error("the network was never cut")
	}
}

// spoil deletes a pack, and puts another content of the same length in place of the
// rows of a table.
func spoil(t *testing.T, store storage.Storage) (names []string) {
	t.Helper()
	var pack, rows storage.Info
	err := store.List(t.Context(), "", func(i storage.Info) error {
		switch {
		case strings.HasPrefix(i.Name, "packs/"):
			pack = i
		case strings.Contains(i.Name, "/users/") && strings.HasSuffix(i.Name, ".age"):
			rows = i
		}
		return nil
	})
	if err != nil || pack.Name == "" || rows.Name == "" {
		t.Fatalf("found %q and %q: %v", pack.Name, rows.Name, err)
	}
	body, err := store.Open(t.Context(), rows.Name, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(body)
	if err := errors.Join(err, body.Close()); err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	for _, seen := range []storage.Info{pack, rows} {
		if err := store.Delete(t.Context(), seen); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := storage.Put(t.Context(), store, rows.Name, content); err != nil {
		t.Fatal(err)
	}
	return []string{pack.Name, rows.Name}
}
