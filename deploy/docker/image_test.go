package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/openim-dr/openim-dr/internal/testbed"
)

const (
	megabyte = 1_000_000
	// largest is what was promised of the archive, which is what a node fetches.
	largest = 60 * megabyte
	// largestUnpacked keeps an eye on the program: a daemon has much of it in memory.
	largestUnpacked = 90 * megabyte
	// patience is for compiling and linking on a busy machine.
	patience = 15 * time.Minute
)

// made is an image as `make image` makes it, of a version that no other has.
type made struct {
	dir, version string
	archive      map[string][]byte
	files        map[string]*tar.Header
	contents     map[string][]byte
	config       ocispec.Image
}

func (m *made) path() string { return filepath.Join(m.dir, "openim-dr-image.tar") }

func makeImage(t *testing.T, version string) *made {
	t.Helper()
	m := &made{dir: t.TempDir(), version: version}
	run(t, "make", "--no-print-directory", "-C", filepath.Join("..", ".."), "image", "OUT="+m.dir, "VERSION="+version, "IMAGE=openim-dr:"+version)
	m.read(t)
	return m
}

func run(t *testing.T, name string, arguments ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience) // tests also clean up with it
	defer cancel()
	cmd := exec.CommandContext(ctx, name, arguments...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(arguments, " "), err, output, stderr.Bytes())
	}
	return string(output)
}

// read unpacks the archive and the layers in it, as an engine does.
func (m *made) read(t *testing.T) {
	t.Helper()
	file, err := os.Open(m.path())
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	_, m.archive = untar(t, file)
	var images []dockerImage
	decode(t, m.archive["manifest.json"], &images)
	decode(t, m.archive[images[0].Config], &m.config)
	m.files, m.contents = map[string]*tar.Header{}, map[string][]byte{}
	for _, name := range images[0].Layers {
		layer, err := gzip.NewReader(bytes.NewReader(m.archive[name]))
		if err != nil {
			t.Fatal(err)
		}
		files, contents := untar(t, layer)
		maps.Copy(m.files, files)
		maps.Copy(m.contents, contents)
	}
}

func untar(t *testing.T, from io.Reader) (headers map[string]*tar.Header, contents map[string][]byte) {
	t.Helper()
	headers, contents = map[string]*tar.Header{}, map[string][]byte{}
	for r := tar.NewReader(from); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return headers, contents
		}
		if err != nil {
			t.Fatal(err)
		}
		headers[header.Name] = header
		if contents[header.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

func decode(t *testing.T, data []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%v in %q", err, data)
	}
}

func TestTheImage(t *testing.T) {
	testbed.Need(t)
	version := "test-" + strings.ToLower(rand.Text()[:12])
	m := makeImage(t, version)

	t.Run("it is small", m.isSmall)
	t.Run("it holds what it must and nothing else", m.holdsNothingElse)
	t.Run("authorities can be asked who vouches for a server", m.hasAuthorities)
	t.Run("it runs as nobody", m.runsAsNobody)
	t.Run("every part is what its name says", m.isWhole)
	t.Run("it says what it is made of", m.saysWhatItIsMadeOf)
	t.Run("the Dockerfile says the same", m.isThatOfTheDockerfile)
	t.Run("an engine runs it", m.runs)
	t.Run("an idle daemon of it is small", m.isSmallWhenIdle)
	t.Run("made again it is the same", func(t *testing.T) {
		again := makeImage(t, version)
		for _, name := range []string{"openim-dr-image.tar", "openim-dr.cdx.json"} {
			if fileDigest(t, filepath.Join(m.dir, name)) != fileDigest(t, filepath.Join(again.dir, name)) {
				t.Errorf("two builds of the same sources made two different %s", name)
			}
		}
	})
}

func fileDigest(t *testing.T, path string) digest.Digest {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return digest.FromBytes(data)
}

func (m *made) isSmall(t *testing.T) {
	info, err := os.Stat(m.path())
	if err != nil {
		t.Fatal(err)
	}
	unpacked := 0
	for _, data := range m.contents {
		unpacked += len(data)
	}
	t.Logf("archive %.1f MB, unpacked %.1f MB", float64(info.Size())/megabyte, float64(unpacked)/megabyte)
	if info.Size() > largest {
		t.Errorf("the archive has %d bytes, want %d at most", info.Size(), largest)
	}
	if unpacked > largestUnpacked {
		t.Errorf("unpacked it has %d bytes, want %d at most", unpacked, largestUnpacked)
	}
}

// No shell, no package manager, no zone data: those are in the program.
func (m *made) holdsNothingElse(t *testing.T) {
	var got []string
	for name, header := range m.files {
		if header.Typeflag == tar.TypeReg {
			got = append(got, name)
		}
		if header.Uid != 0 || header.Mode&0o022 != 0 && name != "tmp/" {
			t.Errorf("%s belongs to %d with mode %o: who runs the program could change it", name, header.Uid, header.Mode)
		}
	}
	slices.Sort(got)
	if want := []string{"etc/group", "etc/passwd", certificatesPath, programPath, sbomPath}; !slices.Equal(got, want) {
		t.Errorf("the files are %q, want %q", got, want)
	}
	if tmp := m.files["tmp/"]; tmp == nil || tmp.Mode != 0o1777 {
		t.Errorf("/tmp is %+v", tmp)
	}
}

func (m *made) hasAuthorities(t *testing.T) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(m.contents[certificatesPath]) {
		t.Fatal("there is no certificate in it")
	}
	if n := bytes.Count(m.contents[certificatesPath], []byte("BEGIN CERTIFICATE")); n < 100 {
		t.Errorf("it has %d authorities, and Mozilla trusts more than 100", n)
	}
	// That of storage.googleapis.com.
	if !bytes.Contains(bytes.Join(subjects(t, m.contents[certificatesPath]), nil), []byte("GTS Root R1")) {
		t.Error("Google's authority is not among them")
	}
}

func (m *made) runsAsNobody(t *testing.T) {
	if m.config.Config.User != "65532:65532" {
		t.Errorf("the user is %q", m.config.Config.User)
	}
	if !bytes.Contains(m.contents["etc/passwd"], []byte("nonroot:x:65532:65532:")) {
		t.Errorf("the user has no name in %q", m.contents["etc/passwd"])
	}
}

func (m *made) isWhole(t *testing.T) {
	var index ocispec.Index
	decode(t, m.archive[ocispec.ImageIndexFile], &index)
	if got, want := index.Manifests[0].Annotations[containerdName], "docker.io/library/openim-dr:"+m.version; got != want {
		t.Errorf("containerd would name it %q, want %q", got, want)
	}
	var manifest ocispec.Manifest
	decode(t, m.archive[blob{Descriptor: index.Manifests[0]}.path()], &manifest)
	for _, part := range append([]ocispec.Descriptor{index.Manifests[0], manifest.Config}, manifest.Layers...) {
		data := m.archive[blob{Descriptor: part}.path()]
		if digest.FromBytes(data) != part.Digest || int64(len(data)) != part.Size {
			t.Errorf("%s has %d bytes of digest %s, want %d", part.Digest, len(data), digest.FromBytes(data), part.Size)
		}
	}
	if len(manifest.Layers) != len(m.config.RootFS.DiffIDs) {
		t.Errorf("%d layers have %d digests", len(manifest.Layers), len(m.config.RootFS.DiffIDs))
	}
}

func (m *made) saysWhatItIsMadeOf(t *testing.T) {
	bom := new(cdx.BOM)
	if err := cdx.NewBOMDecoder(bytes.NewReader(m.contents[sbomPath]), cdx.BOMFileFormatJSON).Decode(bom); err != nil {
		t.Fatal(err)
	}
	if bom.Metadata.Component.Version != m.version {
		t.Errorf("it describes version %q", bom.Metadata.Component.Version)
	}
	for _, name := range []string{"std", "filippo.io/age", "github.com/go-sql-driver/mysql", "cloud.google.com/go/storage"} {
		if !slices.ContainsFunc(*bom.Components, func(c cdx.Component) bool {
			return c.Name == name && c.Version != "" && strings.HasPrefix(c.PackageURL, "pkg:golang/"+name+"@")
		}) {
			t.Errorf("%s is not in it", name)
		}
	}
}

func (m *made) isThatOfTheDockerfile(t *testing.T) {
	text, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	entry, err := json.Marshal(m.config.Config.Entrypoint)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"USER " + m.config.Config.User, "ENV " + strings.Join(m.config.Config.Env, " "),
		"WORKDIR " + m.config.Config.WorkingDir, "ENTRYPOINT " + string(entry),
	} {
		if !strings.Contains(string(text), "\n"+line+"\n") {
			t.Errorf("it has no line %q", line)
		}
	}
}

func (m *made) runs(t *testing.T) {
	image := "openim-dr:" + m.version
	run(t, "docker", "load", "--input", m.path())
	t.Cleanup(func() { run(t, "docker", "image", "rm", "--force", image) })
	confined := []string{"run", "--rm", "--network", "none", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", image}
	if got := run(t, "docker", append(confined, "version")...); !strings.HasPrefix(got, "openim-dr "+m.version+" ") {
		t.Errorf("it calls itself %q", got)
	}
	// A configuration whose zone is only known to who has zone data.
	config := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(config, []byte(configuration), 0o644); err != nil {
		t.Fatal(err)
	}
	check := slices.Insert(slices.Clone(confined), len(confined)-1, "--volume", config+":/config.yaml:ro")
	run(t, "docker", append(check, "config", "check", "--config", "/config.yaml")...)
}

const configuration = `
instance: test
repository:
  url: gs://bucket/prefix
  recipients: [age1m4w7r9cpyzsja6lesly0wgsmay3q9zddvz7hxymzkk35hudt0yeshg4vwe]
  catalogIdentity: env:CATALOG_KEY
  signingKey: env:SIGNING_KEY
  trustedSigners: [{key: RWQ7vWxGzsQ1c4LaUApktibKFmn7u84qIFktvK/HrLLGt5z97AIveZ7P, roles: [writer]}]
sources:
- {name: main, kind: mysql, address: "openim-mysql:3306", user: openim_dr, password: "env:MYSQL_PASSWORD", schemas: [openIM_v3]}
schedules:
- {name: nightly, cron: "CRON_TZ=Asia/Shanghai 0 2 * * *", sources: [main]}
`

func subjects(t *testing.T, list []byte) (names [][]byte) {
	t.Helper()
	for block, rest := pem.Decode(list); block != nil; block, rest = pem.Decode(rest) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, []byte(certificate.Subject.String()+"\n"))
	}
	return names
}
