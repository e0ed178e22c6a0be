package seal_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/seal"
)

func TestWrap(t *testing.T) {
	for class, postQuantum := range map[string]bool{"X25519": false, "post-quantum": true} {
		t.Run(class, func(t *testing.T) {
			key, operator := newIdentity(t, postQuantum), newIdentity(t, postQuantum)
			wrapped, err := key.Wrap(operator.Recipient())
			if err != nil {
				t.Fatal(err)
			}
			got, err := seal.Unwrap(wrapped, []seal.Identity{newIdentity(t, postQuantum), operator})
			if err != nil || got.Secret() != key.Secret() {
				t.Errorf("got key %v, %v; want %v", got, err, key)
			}
			if _, err := seal.Unwrap(wrapped, []seal.Identity{newIdentity(t, postQuantum)}); err == nil {
				t.Error("a stranger opens the wrap")
			}
		})
	}
}

func TestEveryDamageOfAWrapIsFound(t *testing.T) {
	key, operator := newIdentity(t, false), newIdentity(t, false)
	wrapped, err := key.Wrap(operator.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	for i := range wrapped {
		flipped := bytes.Clone(wrapped)
		flipped[i] ^= 1
		for _, damaged := range [][]byte{flipped, wrapped[:i]} {
			if got, err := seal.Unwrap(damaged, []seal.Identity{operator}); err == nil {
				t.Fatalf("byte %d: opens as %v", i, got)
			}
		}
	}
}

func TestParseIdentities(t *testing.T) {
	a, b := newIdentity(t, false), newIdentity(t, true)
	file := "# created: today\n" + a.Secret() + "\n\n" + b.Secret() + "\n"
	got, err := seal.ParseIdentities([]byte(file))
	if err != nil || len(got) != 2 || got[0].Secret() != a.Secret() || got[1].Secret() != b.Secret() {
		t.Fatalf("got %v, %v", got, err)
	}
	if got[0].Recipient().PostQuantum() || !got[1].Recipient().PostQuantum() {
		t.Error("the classes are confused")
	}
	broken := strings.Replace(a.Secret(), "1", "2", 1)
	if _, err := seal.ParseIdentities([]byte(broken)); err == nil || strings.Contains(err.Error(), broken[10:30]) {
		t.Errorf("got %v, want an error that quotes nothing", err)
	}
}

func TestParseRecipient(t *testing.T) {
	for class, postQuantum := range map[string]bool{"X25519": false, "post-quantum": true} {
		t.Run(class, func(t *testing.T) {
			want := newIdentity(t, postQuantum).Recipient()
			got, err := seal.ParseRecipient(" " + want.String() + "\n")
			if err != nil || got.String() != want.String() || got.PostQuantum() != postQuantum {
				t.Errorf("got %v (post-quantum %v), %v", got, got.PostQuantum(), err)
			}
			if !strings.HasPrefix(got.KeyID(), got.Fingerprint()) || len(got.Fingerprint()) != 32 || len(got.KeyID()) != 64 {
				t.Errorf("fingerprint %q, key id %q", got.Fingerprint(), got.KeyID())
			}
		})
	}
	if _, err := seal.ParseRecipient("age1pq1nonsense"); err == nil {
		t.Error("nonsense is a recipient")
	}
}

// Invariant 4: no way of printing a key, or anything that holds one, shows it.
func TestKeysDoNotPrint(t *testing.T) {
	identity, hybrid := newIdentity(t, false), newIdentity(t, true)
	signer := newSigner(t)
	secretFile, err := signer.Secret()
	if err != nil {
		t.Fatal(err)
	}
	digestKey := seal.GenerateDigestKey()
	lines := strings.Fields(string(secretFile))
	secrets := []string{
		identity.Secret(), hybrid.Secret(), lines[len(lines)-1],
		hex.EncodeToString(digestKey[:]), fmt.Sprint([32]byte(digestKey)), fmt.Sprintf("%#v", [32]byte(digestKey)),
	}
	type exported struct {
		Identity, Hybrid seal.Identity
		Signer           seal.Signer
		Key              seal.DigestKey
		Many             []seal.Identity
	}
	type hidden struct {
		identity, hybrid seal.Identity
		signer           seal.Signer
		key              *seal.DigestKey
	}
	many := []seal.Identity{identity, hybrid}
	values := map[string]any{
		"identity": identity, "hybrid identity": hybrid, "pointer": &identity, "list": many,
		"signer": signer, "digest key": digestKey, "pointer to digest key": &digestKey,
		"exported fields": exported{identity, hybrid, signer, digestKey, many},
	}
	for name, v := range values {
		t.Run(name, func(t *testing.T) { requireSilent(t, v, secrets, slices.Collect(maps.Keys(ways))...) })
	}
	t.Run("hidden fields", func(t *testing.T) {
		// %s, %q and %x of a struct are mistakes that go vet finds.
		requireSilent(t, hidden{identity, hybrid, signer, &digestKey}, secrets, "%v", "%+v", "%#v", "json", "slog text", "slog json", "error")
	})
}

// ways are the ways in which a value reaches a log.
var ways = map[string]func(v any) string{
	"%v":  func(v any) string { return fmt.Sprintf("%v", v) },
	"%+v": func(v any) string { return fmt.Sprintf("%+v", v) },
	"%#v": func(v any) string { return fmt.Sprintf("%#v", v) },
	"%s":  func(v any) string { return fmt.Sprintf("%s", v) },
	"%q":  func(v any) string { return fmt.Sprintf("%q", v) },
	"%x":  func(v any) string { return fmt.Sprintf("%x", v) },
	"json": func(v any) string {
		text, err := json.Marshal(v)
		return fmt.Sprint(string(text), err)
	},
	"slog text": func(v any) string {
		var b bytes.Buffer
		slog.New(slog.NewTextHandler(&b, nil)).Info("begun", "value", v)
		return b.String()
	},
	"slog json": func(v any) string {
		var b bytes.Buffer
		slog.New(slog.NewJSONHandler(&b, nil)).Info("begun", "value", v)
		return b.String()
	},
	"error": func(v any) string { return fmt.Errorf("open %v: %w", v, errors.New("denied")).Error() },
}

func requireSilent(t *testing.T, v any, secrets []string, by ...string) {
	t.Helper()
	for _, way := range by {
		printed := ways[way](v)
		for _, secret := range secrets {
			for _, form := range []string{secret, hex.EncodeToString([]byte(secret))} {
				if strings.Contains(printed, form) {
					t.Errorf("%s shows a secret", way)
				}
			}
		}
	}
}

func TestZeroSigner(t *testing.T) {
	var none seal.Signer
	if _, err := none.Sign([]byte("m"), "c"); err == nil {
		t.Error("signs without a key")
	}
	if _, err := none.Secret(); err == nil || none.PublicKey() != "" {
		t.Error("has a key")
	}
}

// What lies beside the file that is meant is called what it is, and never quoted.
func TestFilesOfAnotherKind(t *testing.T) {
	identity, err := seal.GenerateIdentity(false)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := seal.Encrypt([]byte("text"), identity.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	signer, err := seal.GenerateSigner()
	if err != nil {
		t.Fatal(err)
	}
	secret, err := signer.Secret()
	if err != nil {
		t.Fatal(err)
	}
	signature, err := signer.Sign([]byte("text"), "comment")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]struct{ text, is string }{
		"identity":   {"# made by hand\n" + identity.Secret() + "\n", "but an age identity"},
		"recipient":  {identity.String() + "\n", "but an age recipient"},
		"sealed":     {string(sealed), "but a file that is encrypted with age"},
		"secret key": {string(secret), "but a minisign secret key"},
		"public key": {signer.PublicKey() + "\n", "but a minisign public key"},
		"signature":  {string(signature), "but a minisign signature"},
		"prose":      {"hunter2", ""},
	}
	readers := map[string]func(text string) error{
		"identity":   func(text string) error { _, err := seal.ParseIdentities([]byte(text)); return err },
		"recipient":  func(text string) error { _, err := seal.ParseRecipient(text); return err },
		"secret key": func(text string) error { _, err := seal.ParseSigner([]byte(text)); return err },
		"public key": func(text string) error {
			_, err := seal.NewTrustedSigner(text, seal.Roles, time.Time{}, time.Time{})
			return err
		},
	}
	for wanted, read := range readers {
		for is, file := range files {
			err := read(file.text)
			if wanted == is {
				if err != nil {
					t.Errorf("%s: %v", wanted, err)
				}
				continue
			}
			if err == nil || !strings.Contains(err.Error(), file.is) {
				t.Errorf("%s read as %s: got %v, want %q", is, wanted, err, file.is)
			}
			if is == "identity" || is == "secret key" {
				requireNothingOf(t, err.Error(), file.text)
			}
		}
	}
}

// requireNothingOf fails where a text quotes the last line of a key's file, or a
// good part of it.
func requireNothingOf(t *testing.T, text, file string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(file), "\n")
	secret := lines[len(lines)-1]
	if strings.Contains(text, secret) || strings.Contains(text, secret[:24]) {
		t.Error("the error quotes a key")
	}
}
