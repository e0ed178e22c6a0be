package seal_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openim-dr/openim-dr/internal/seal"
)

// stock finds a program that users have anyway.
func stock(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("%s is not installed: make testbed installs it", program)
	}
	return path
}

func run(t *testing.T, stdin []byte, program string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), stock(t, program), args...)
	cmd.Stdin = bytes.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v: %s", program, args, err, stderr.String())
	}
	return out
}

func file(t *testing.T, dir, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestStockAgeAndZstdOpenSealedFiles(t *testing.T) {
	id := newIdentity(t, false)
	key := file(t, t.TempDir(), "key", []byte(id.Secret()+"\n"))
	contents := map[string]string{
		"empty":       "",
		"small":       "a\tb\n",
		"many chunks": strings.Repeat("1\tsome text\t\\N\n", 50_000),
	}
	for name, plain := range contents {
		t.Run(name, func(t *testing.T) {
			stored, _ := sealed(t, []byte(plain), seal.Zstd, id)
			compressed := run(t, stored, "age", "-d", "-i", key)
			if got := run(t, compressed, "zstd", "-d", "-q"); string(got) != plain {
				t.Errorf("got %d bytes, want %d", len(got), len(plain))
			}
			raw, _ := sealed(t, []byte(plain), seal.Raw, id)
			if got := run(t, raw, "age", "-d", "-i", key); string(got) != plain {
				t.Errorf("raw: got %d bytes, want %d", len(got), len(plain))
			}
		})
	}
}

func TestStockAgeOpensWraps(t *testing.T) {
	key, operator := newIdentity(t, false), newIdentity(t, false)
	wrapped, err := key.Wrap(operator.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	// Two steps as a person would do them: the wrap gives an identity file.
	identity := run(t, wrapped, "age", "-d", "-i", file(t, dir, "operator", []byte(operator.Secret()+"\n")))
	stored, _ := sealed(t, []byte("rows"), seal.Raw, key)
	if got := run(t, stored, "age", "-d", "-i", file(t, dir, "point", identity)); string(got) != "rows" {
		t.Errorf("got %q", got)
	}
}

func TestStockMinisignVerifies(t *testing.T) {
	signer := newSigner(t)
	message := []byte("{\n \"kind\": \"manifest\"\n}\n")
	signature, err := signer.Sign(message, "points/x/manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := file(t, dir, "manifest.json", message)
	file(t, dir, "manifest.json.minisig", signature)
	out := run(t, nil, "minisign", "-V", "-P", signer.PublicKey(), "-m", path)
	if !strings.Contains(string(out), "points/x/manifest.json") {
		t.Errorf("minisign says %q, want the signed path in it", out)
	}
}

func TestSignedByStockMinisign(t *testing.T) {
	dir := t.TempDir()
	public, private := filepath.Join(dir, "key.pub"), filepath.Join(dir, "key")
	run(t, nil, "minisign", "-G", "-W", "-p", public, "-s", private)
	message := file(t, dir, "state.json", []byte("{}\n"))
	run(t, nil, "minisign", "-S", "-s", private, "-m", message)
	signature, err := os.ReadFile(message + ".minisig")
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(public)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(key))
	trust := seal.Trust{trusted(t, lines[len(lines)-1], always, always, seal.RoleOperator)}
	if _, err := trust.Verify(seal.RoleOperator, []byte("{}\n"), signature, at); err != nil {
		t.Error(err)
	}
	secret, err := os.ReadFile(private)
	if err != nil {
		t.Fatal(err)
	}
	if signer, err := seal.ParseSigner(secret); err != nil || signer.PublicKey() != lines[len(lines)-1] {
		t.Errorf("the key file of minisign: %v", err)
	}
}
