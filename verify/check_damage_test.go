package verify_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/storage/dir"
	"github.com/openim-dr/openim-dr/restore"
	"github.com/openim-dr/openim-dr/verify"
)

// files returns the files whose paths a pattern fits, in order. None is a defect
// of the zoo: a damage must hit something.
func (c *cage) files(pattern string) []string {
	c.t.Helper()
	expression := regexp.MustCompile("^(?:" + pattern + ")$")
	var found []string
	err := filepath.WalkDir(c.dir, func(path string, d os.DirEntry, err error) error {
		if name, relErr := filepath.Rel(c.dir, path); relErr == nil && err == nil && !d.IsDir() && expression.MatchString(name) {
			found = append(found, name)
		}
		return err
	})
	if err != nil || len(found) == 0 {
		c.t.Fatalf("no file fits %s (%v)", pattern, err)
	}
	return found
}

// any picks one of the files.
func (c *cage) any(pattern string) string {
	all := c.files(pattern)
	return all[c.random.IntN(len(all))]
}

func (c *cage) read(file string) []byte {
	c.t.Helper()
	data, err := os.ReadFile(filepath.Join(c.dir, file))
	if err != nil {
		c.t.Fatal(err)
	}
	return data
}

// write puts a file in the place of another, whose bytes the zoo still has.
func (c *cage) write(file string, data []byte) string {
	c.t.Helper()
	path := filepath.Join(c.dir, file)
	_ = os.Remove(path) // it need not be there
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		c.t.Fatal(err)
	}
	return file
}

func (c *cage) flip(file string) string {
	data := c.read(file)
	data[c.random.IntN(len(data))] ^= 1 << c.random.IntN(8)
	return c.write(file, data)
}

// cut takes away an end, and not just the line break that a plain file ends with:
// without it the file says the same.
func (c *cage) cut(file string) string {
	data := c.read(file)
	return c.write(file, data[:c.random.IntN(len(bytes.TrimSuffix(data, []byte("\n"))))])
}

func (c *cage) grow(file string) string {
	return c.write(file, append(c.read(file), c.noise(1+c.random.IntN(100))...))
}

func (c *cage) overwrite(file string) string { return c.write(file, c.noise(len(c.read(file)))) }

func (c *cage) noise(n int) []byte {
	noise := make([]byte, n)
	for i := range noise {
		noise[i] = byte(c.random.Uint32())
	}
	return noise
}

func (c *cage) remove(files ...string) string {
	c.t.Helper()
	for _, f := range files {
		if err := os.Remove(filepath.Join(c.dir, f)); err != nil {
			c.t.Fatal(err)
		}
	}
	return files[0]
}

func (c *cage) removeAll(dir string) {
	c.t.Helper()
	if err := os.RemoveAll(filepath.Join(c.dir, dir)); err != nil {
		c.t.Fatal(err)
	}
}

// resign changes a signed file as its signer could, or as somebody else could.
func (c *cage) resign(signer seal.Signer, file string, change func(map[string]any)) string {
	c.t.Helper()
	var v map[string]any
	if err := json.Unmarshal(c.read(file), &v); err != nil {
		c.t.Fatal(err)
	}
	change(v)
	c.remove(file, file+".minisig")
	writeSigned(c.t, c.dir, signer, file, v)
	return file
}

func writeSigned(t testing.TB, dir string, signer seal.Signer, file string, v any) {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := signer.Sign(data, file)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".minisig", signature, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (c *cage) stranger() seal.Signer {
	c.t.Helper()
	s, err := seal.GenerateSigner()
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

func manifestOf(point string) string { return "points/" + point + "/manifest.json" }

// keysOf returns the key ids of a point.
func (c *cage) keysOf(point string) repository.Keys {
	c.t.Helper()
	var m repository.Manifest
	if err := json.Unmarshal(c.read(manifestOf(point)), &m); err != nil {
		c.t.Fatal(err)
	}
	return m.Keys
}

// sweepTail removes a point as if it had never been: files, run and states.
func (c *cage) sweepTail(point string) {
	for _, dir := range []string{"points/", "runs/", "state/", "proofs/"} {
		c.removeAll(dir + point)
	}
}

// expectHead has the check look for a point of a stream.
func (c *cage) expectHead(point string) {
	c.t.Helper()
	var m repository.Manifest
	data := c.read(manifestOf(point))
	if err := json.Unmarshal(data, &m); err != nil {
		c.t.Fatal(err)
	}
	head, err := repository.ParseExpectedHead(m.Stream + "=" + strconv.FormatInt(m.Seq, 10) + ":" + seal.SumOf(data).SHA256)
	if err != nil {
		c.t.Fatal(err)
	}
	c.heads = append(c.heads, head)
}

// alterBeforeSigning damages a file of a point and has the writer sign what it
// became.
func (c *cage) alterBeforeSigning(point, pattern string) string {
	file := c.any("points/" + point + "/" + pattern)
	data := c.read(c.flip(file))
	sums := seal.SumOf(data)
	c.resign(c.Signer, manifestOf(point), func(m map[string]any) {
		for _, f := range m["files"].([]any) {
			if f := f.(map[string]any); f["path"] == file {
				f["crc32c"], f["sha256"] = sums.CRC32C, sums.SHA256
			}
		}
	})
	return file
}

// runDrill drills the newest point, which is small, with everybody's key at hand:
// its servers are in memory, and everything else is what openim-dr verify does.
func (c *cage) runDrill() *verify.Outcome {
	c.t.Helper()
	store, err := dir.Open(c.dir)
	if err != nil {
		c.t.Fatal(err)
	}
	repo, err := repository.Open(c.t.Context(), store, repository.Options{Trust: c.trust})
	if err != nil {
		c.t.Fatal(err)
	}
	listing, err := repo.List(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	set, err := verify.Choose(listing, repotest.Instance, verify.Which{Choice: restore.Choice{Point: c.manual[1]}}, time.Now())
	if err != nil {
		c.t.Fatal(err)
	}
	server := &scratch{Sample: &repotest.Sample{Name: "notes"}}
	drill := &verify.Drill{
		ID: repository.NewDrillID(time.Now()), Instance: repotest.Instance, Tool: "test", Into: "given", Set: set,
		Scratch: []verify.Scratch{{Source: restore.Source{Name: "notes", Kind: repotest.SampleKind, Phase: source.Databases, Restorer: server}}},
		Store:   store, Trust: c.trust, Identities: []seal.Identity{c.Operator, c.second, c.drill},
		Show: progress.Discard, Log: slog.New(slog.DiscardHandler),
	}
	outcome, err := drill.Run(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	return outcome
}

// requireDrill makes sure that a drill finds a damage, and says what it is.
func requireDrill(t *testing.T, c *cage, want drillFinding) {
	t.Helper()
	outcome := c.runDrill()
	proof := outcome.Proof
	got := drillFinding(proof.Failure)
	if broken := brokenKeys(proof.Keys); proof.Passed && broken > 0 {
		got = drillKeys
	}
	if got != want || fault.KindOf(outcome.Err) != fault.Corrupt {
		t.Errorf("a drill says %q (passed: %t, keys: %+v): %v; want %q", got, proof.Passed, proof.Keys, outcome.Err, want)
	}
}

// brokenKeys counts the identities that do not open a point which they should.
func brokenKeys(keys *repository.ProofKeys) (broken int) {
	if keys == nil {
		return 0
	}
	for _, id := range keys.Identities {
		if id.Broken > 0 {
			broken++
		}
	}
	return broken
}

// forgetUnsigned is a decision that nobody has signed.
func (c *cage) forgetUnsigned(point string) string {
	file := "state/" + point + "/1.json"
	if slices.Contains(c.zoo.Paths(c.t), file) {
		file = "state/" + point + "/2.json"
	}
	data, err := json.Marshal(repository.State{
		Header: repository.Header{Kind: "state", Format: 1, Repository: c.Open(c.t).Record().Repository, Path: file},
		Point:  point, Change: repository.Forget, Time: time.Now(),
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return c.write(file, data)
}

// move puts a signed file into another place, with its signature.
func (c *cage) move(from, to string) string {
	c.write(to+".minisig", c.read(from+".minisig"))
	return c.write(to, c.read(from))
}

// differing returns two files that differ in their size.
func (c *cage) differing(pattern string) (a, b string) {
	all := c.files(pattern)
	a = all[c.random.IntN(len(all))]
	others := slices.DeleteFunc(slices.Clone(all), func(f string) bool { return len(c.read(f)) == len(c.read(a)) })
	if len(others) == 0 {
		c.t.Fatalf("all files that fit %s have one size", pattern)
	}
	return a, others[c.random.IntN(len(others))]
}
