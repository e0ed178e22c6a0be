package verify_test

import (
	"encoding/json"
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
	"github.com/openim-dr/openim-dr/internal/storage/dir"
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

func (c *cage) cut(file string) string {
	data := c.read(file)
	return c.write(file, data[:c.random.IntN(len(data))])
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

// The functions below are what a drill uses: each must fail for what only a drill
// can find.

// opensKeys opens every key of a point, with each identity alone.
func (c *cage) opensKeys(point string) error {
	for _, id := range []seal.Identity{c.Operator, c.second, c.drill} {
		for _, reader := range c.readers(point, id) {
			if err := reader.CheckKeys(c.t.Context()); err != nil {
				return err
			}
		}
	}
	return nil
}

// opensDigestKey opens the digest key with everybody's identity.
func (c *cage) opensDigestKey(point string) error {
	for _, id := range []seal.Identity{c.Operator, c.Catalog} {
		if _, err := c.readers(point, id)[0].DigestKey(c.t.Context()); err != nil {
			return err
		}
	}
	return nil
}

func (c *cage) readers(point string, id seal.Identity) []*repository.SourceReader {
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
	p, err := listing.Find(point)
	if err != nil {
		c.t.Fatal(err)
	}
	return repo.Unlock(p, []seal.Identity{id})
}

// restores brings the small source of a point back.
func (c *cage) restores(point string) error {
	_, err := new(repotest.Sample).Restore(c.t.Context(), c.readers(point, c.Operator)[0], nil, progress.Discard)
	return err
}

// requireDrill makes sure that what a drill uses finds a damage.
func requireDrill(t *testing.T, err error) {
	t.Helper()
	kind := fault.KindOf(err)
	if err == nil || kind != fault.Corrupt && kind != fault.Usage {
		t.Errorf("a drill would not find it: %v", err)
	}
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
