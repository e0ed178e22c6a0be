package restore_test

import (
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/storage/faulty"
	"github.com/openim-dr/openim-dr/restore"
)

// twoPlaces is a repository with a point and a copy of it.
type twoPlaces struct {
	*repotest.Fixture
	home, copy *repotest.Memory
	point      string
}

func newTwoPlaces(t *testing.T) *twoPlaces {
	t.Helper()
	f, home := fixture(t)
	p := &twoPlaces{f, home, repotest.NewMemory(), mustBackUp(t, f, small())}
	_, err := repository.CopyTo(t.Context(), home, p.copy, repository.CopyOptions{
		Options: repository.Options{Trust: f.Trust}, Signer: f.Signer, By: "alice", Tool: "test", Show: progress.Discard,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// restore restores from one place, and falls back on others.
func (p *twoPlaces) restore(t *testing.T, from storage.Reader, copies ...storage.Reader) (*restore.Result, *repotest.Sample, error) {
	t.Helper()
	repo, err := repository.Open(t.Context(), from, repository.Options{Trust: p.Trust, Copies: copies})
	if err != nil {
		return nil, nil, err
	}
	target := &repotest.Sample{Name: "main"}
	planned, err := restore.MakePlan(t.Context(), repo, request(p.Fixture, p.point, target))
	if err != nil {
		return nil, target, err
	}
	result, err := planned.Carry(t.Context())
	return result, target, err
}

// needed are the files that the point needs, the wraps of its keys among them.
func (p *twoPlaces) needed(t *testing.T) []string {
	t.Helper()
	var paths []string
	repo := p.Open(t)
	for _, point := range points(t, p.Fixture) {
		files, err := repo.Files(t.Context(), point)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if !strings.Contains(f.Path, "/details.") { // for people: no restore reads them
				paths = append(paths, f.Path)
			}
		}
	}
	for _, name := range p.home.Names() {
		operators := strings.Contains(name, p.Operator.Recipient().Fingerprint())
		if operators && (strings.HasPrefix(name, "keys/") || strings.HasPrefix(name, "repository/digest.key.")) {
			paths = append(paths, name)
		}
	}
	return paths
}

// damages are ways in which a stored file is not what it was.
var damages = map[string]func(content []byte) []byte{
	"deleted": func([]byte) []byte { return nil },
	"cut":     func(content []byte) []byte { return content[:len(content)/2] },
	"longer":  func(content []byte) []byte { return append(content, 'x') },
	"altered": func(content []byte) []byte { content[len(content)/2] ^= 4; return content },
}

// Whatever file of a point is damaged in the repository, a restore that may fall back
// on a copy brings all of it back, and says which file that was.
func TestFileThatIsDamagedComesFromTheCopy(t *testing.T) {
	places := newTwoPlaces(t)
	for _, path := range places.needed(t) {
		for name, damage := range damages {
			home := places.home.Clone()
			home.Damage(path, damage(home.Content(path)))
			if _, _, err := places.restore(t, home); err == nil {
				t.Fatalf("%s is %s, and nobody needs it", path, name)
			}
			result, target, err := places.restore(t, home, places.copy)
			if err != nil {
				t.Fatalf("%s is %s: %v", path, name, err)
			}
			requireEqual(t, path+" is "+name, target, small())
			fell := result.FellBack
			if fell == nil || fell.Count != 1 || fell.Files[0].File != path || fell.Files[0].Damage == repository.Intact {
				t.Errorf("%s is %s, and the restore says %+v", path, name, fell)
			}
			if _, _, err := places.restore(t, home, home.Clone()); err == nil {
				t.Errorf("%s is %s in both places, and nobody notices", path, name)
			}
		}
	}
}

// Places that are damaged in different files complete each other, whichever is first.
func TestPlacesCompleteEachOther(t *testing.T) {
	places := newTwoPlaces(t)
	home, copied := places.home.Clone(), places.copy.Clone()
	for i, path := range places.needed(t) {
		if i%2 == 0 {
			home.Damage(path, nil)
		} else {
			copied.Damage(path, []byte("something else"))
		}
	}
	for name, order := range map[string][]storage.Reader{"home first": {home, copied}, "copy first": {copied, home}} {
		result, target, err := places.restore(t, order[0], order[1])
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		requireEqual(t, name, target, small())
		if result.FellBack == nil || result.FellBack.Count < 2 {
			t.Errorf("%s: %+v", name, result.FellBack)
		}
	}
	result, _, err := places.restore(t, places.home, places.copy)
	if err != nil || result.FellBack != nil {
		t.Errorf("nothing is damaged: %+v, %v", result.FellBack, err)
	}
}

// A repository that stops to answer once its points are listed, at whatever call and
// byte, is done without.
func TestRepositoryThatGoesAwayIsDoneWithout(t *testing.T) {
	places := newTwoPlaces(t)
	whole := faulty.New(places.home, faulty.Plan{})
	if _, _, err := places.restore(t, whole, places.copy); err != nil {
		t.Fatal(err)
	}
	calls := whole.Calls()
	content := func(c faulty.Call) bool {
		return strings.HasPrefix(c.Name, "keys/") || strings.HasPrefix(c.Name, "points/"+places.point+"/main/")
	}
	first := slices.IndexFunc(calls, content)
	hit := map[faulty.Kind]int{}
	for at := first; at < len(calls); at++ {
		broken := faulty.New(places.home, faulty.Plan{Fault: faulty.Fail, At: at + 1, Times: -1, Err: syscall.ECONNRESET})
		result, target, err := places.restore(t, broken, places.copy)
		if err != nil {
			t.Fatalf("gone at call %d, %v: %v", at+1, calls[at], err)
		}
		requireEqual(t, "restored without", target, small())
		if !broken.Reached() || result.FellBack == nil || len(result.FellBack.Unreachable) != 1 || !strings.Contains(result.FellBack.Unreachable[0].Why, "reset") {
			t.Fatalf("gone at call %d, %v, and the restore says %+v", at+1, calls[at], result.FellBack)
		}
		hit[broken.Hits()[0].Kind]++
		// Where the copy is gone too there is an error, and no end that looks well.
		if result, _, err := places.restore(t, broken, broken); err == nil {
			t.Fatalf("both are gone: %+v", result)
		}
	}
	for _, kind := range []faulty.Kind{faulty.Stat, faulty.Open, faulty.Read} {
		if hit[kind] == 0 {
			t.Errorf("it never went away at a %s: %v", kind, hit)
		}
	}
}

// What is of one repository alone is never taken from another: a point that was
// shredded at home stays so although a copy holds its keys.
func TestShreddedPointDoesNotComeBack(t *testing.T) {
	places := newTwoPlaces(t)
	repo := places.Open(t)
	listing, err := repo.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	plan, err := repository.PlanShred(t.Context(), repo, listing, listing.Points[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := repository.ShredPoint(t.Context(), places.home, places.home, repo, places.Signer, plan, "alice", "erasure", points(t, places.Fixture)[0].Ended); err != nil {
		t.Fatal(err)
	}
	_, _, err = places.restore(t, places.home, places.copy)
	requireKind(t, err, fault.Refused, "its keys were destroyed")
}
