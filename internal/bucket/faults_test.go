package bucket

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
	"github.com/openim-dr/openim-dr/internal/testbed/network"
)

// impatient does not wait for long for a server that says nothing.
var impatient = Options{Workers: 4, patience: patience{header: 2 * time.Second, idle: time.Second, call: 8 * time.Second, attempts: 2}}

// putMixed makes a bucket of small objects, and of one that is read in ranges.
func (s *stand) putMixed() {
	s.put(slices.DeleteFunc(zoo(), func(o object) bool { return o.key == "large/noise" })...)
}

// throughNetwork has the source reach the server through a network.
func (s *stand) throughNetwork(t *testing.T, direction string, f network.Fault, at int64) *network.Network {
	t.Helper()
	way := network.New(t, strings.TrimPrefix(s.env.S3Endpoint, "http://"), direction, f, at)
	s.source = s.openAt("http://"+way.Address(), impatient)
	return way
}

// How many moments a fault is tried at.
var momentsInAMirror, momentsInARestore int64 = 2, 1

func init() {
	if os.Getenv("OPENIM_DR_TEST_LONG") != "" {
		momentsInAMirror, momentsInARestore = 12, 12
	}
}

// moments spreads so many moments over a run in which that many bytes passed.
func moments(count, total int64) []int64 {
	all := make([]int64, count)
	for i := range all {
		all[i] = (2*int64(i) + 1) * total / (2 * count)
	}
	return all
}

// requireLive holds a point against the bucket itself.
func (s *stand) requireLive(from *repository.SourceReader, what string) {
	s.Helper()
	live := s.open(Options{})
	plan, err := live.Plan(s.Context(), from, source.Selection{})
	if err != nil {
		s.Fatal(err)
	}
	c, err := live.Compare(s.Context(), from, plan, progress.Discard)
	if err != nil || !c.Equal() || len(c.Deviations) > 0 {
		s.Errorf("%s: captured something else: %v, %+v", what, err, c)
	}
}

// Invariants 2 and 9: whatever the network does to a mirror, wherever, it ends,
// and either with everything or with an error.
func TestNetworkFaultsInAMirror(t *testing.T) {
	t.Parallel()
	s := newStand(t, impatient)
	s.putMixed()
	for i := range 1000 { // with the others more than a page
		s.put(object{key: fmt.Sprintf("many/%04d", i), content: noise(uint64(i), 300)})
	}
	calm := s.throughNetwork(t, "downstream", network.None, 0)
	s.requireLive(s.capture(), "a calm network")
	total := calm.Passed()
	for _, f := range network.Faults {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			var succeeded atomic.Int64
			t.Cleanup(func() { // behind all moments
				if succeeded.Load() == 0 && f != network.StallAll && f != network.ResetAll {
					t.Errorf("%s: no mirror went on after it", f)
				}
			})
			for _, at := range append(moments(momentsInAMirror, total), 2000) { // and in the middle of the listing
				t.Run(fmt.Sprint(at), func(t *testing.T) {
					t.Parallel()
					own := *s
					own.T, own.Fixture = t, repotest.New(t)
					if own.captureRoughly(f, at) {
						succeeded.Add(1)
					}
				})
			}
		})
	}
}

// captureRoughly reports whether a mirror goes on over a fault, in which case it
// has everything.
func (s *stand) captureRoughly(f network.Fault, at int64) bool {
	s.Helper()
	rough := s.throughNetwork(s.T, "downstream", f, at)
	point, err := s.TryCapture(s.Context(), s.T, "media", Kind, s.source)
	if !rough.Struck() {
		s.Errorf("%s at byte %d did not happen", f, at)
	}
	rough.Close()
	if err != nil {
		if fault.KindOf(err) != fault.Failed {
			s.Errorf("%s at byte %d: %v", f, at, err)
		}
		return false
	}
	s.requireLive(s.Source(s.T, point, "media"), fmt.Sprintf("%s at byte %d", f, at))
	return true
}

// The same for a restore and for a comparison.
func TestNetworkFaultsInARestore(t *testing.T) {
	t.Parallel()
	s := newStand(t, impatient)
	s.putMixed()
	from := s.capture()
	want := s.content(s.bucket)
	restore := func(into string) (*source.Comparison, error) {
		plan, err := s.source.Plan(t.Context(), from, source.Selection{Rename: map[string]string{s.bucket: into}})
		if err != nil {
			return nil, err
		}
		if _, err := s.source.Restore(t.Context(), from, plan, progress.Discard); err != nil {
			return nil, err
		}
		return s.source.Compare(t.Context(), from, plan, progress.Discard)
	}
	for _, direction := range []string{"upstream", "downstream"} {
		calm := s.throughNetwork(t, direction, network.None, 0)
		if c, err := restore(s.env.NewBucket(t)); err != nil || !c.Equal() {
			t.Fatal(c, err)
		}
		for _, f := range network.Faults {
			for _, at := range moments(momentsInARestore, calm.Passed()) {
				into := s.env.NewBucket(t)
				rough := s.throughNetwork(t, direction, f, at)
				c, err := restore(into)
				rough.Close()
				switch {
				case err != nil && fault.KindOf(err) != fault.Failed:
					t.Errorf("%s %s at byte %d: %v", f, direction, at, err)
				case err == nil && !c.Equal():
					t.Errorf("%s %s at byte %d: %v", f, direction, at, c.Differences)
				case err == nil:
					if diff := cmp.Diff(want, s.content(into)); diff != "" {
						t.Errorf("%s %s at byte %d (-want +got):\n%s", f, direction, at, diff)
					}
				}
			}
		}
	}
}

// A volume server that stops in the middle of a mirror ends it; once it is back,
// the next mirror is whole.
func TestVolumeServerThatStops(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	weed := env.StartSeaweedFS(t)
	s := &stand{T: t, Fixture: repotest.New(t), env: env, client: env.S3At(t, weed.Endpoint), endpoint: weed.Endpoint}
	s.bucket = testbed.NewBucketAt(t, s.client)
	for i := range 400 {
		s.put(object{key: fmt.Sprintf("k%03d", i), content: noise(uint64(i), 30_000)})
	}
	want := s.content(s.bucket)
	wire := s.throughWireTo(weed.Endpoint, impatient)
	wire.after(400*30_000/2, sync.OnceFunc(func() { weed.StopVolumes(t) }))
	_, err := s.TryCapture(t.Context(), t, "media", Kind, s.source)
	if fault.KindOf(err) != fault.Failed {
		t.Fatalf("half of the objects were lost on the way, and the mirror said: %v", err)
	}
	weed.StartVolumes(t)
	wire.after(0, nil)
	from := s.capture()
	s.source = s.openAt(env.S3Endpoint, Options{})
	copied, _ := s.restore(from)
	s.client = env.S3(t)
	if diff := cmp.Diff(want, s.content(copied)); diff != "" {
		t.Errorf("restored (-want +got):\n%s", diff)
	}
}
