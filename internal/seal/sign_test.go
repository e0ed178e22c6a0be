package seal_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"aead.dev/minisign"

	"github.com/openim-dr/openim-dr/internal/seal"
)

func newSigner(t testing.TB) seal.Signer {
	t.Helper()
	s, err := seal.GenerateSigner()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func trusted(t testing.TB, key string, notBefore, notAfter time.Time, roles ...seal.Role) seal.TrustedSigner {
	t.Helper()
	s, err := seal.NewTrustedSigner(key, roles, notBefore, notAfter)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var (
	at     = time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)
	always = time.Time{}
)

func TestTrust(t *testing.T) {
	signer, other := newSigner(t), newSigner(t)
	message := []byte(`{"kind":"manifest"}`)
	signature, err := signer.Sign(message, "points/x/manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	key := signer.PublicKey()
	tests := map[string]struct {
		trust     seal.Trust
		message   []byte
		signature []byte
		why       string // empty: trusted
	}{
		"a writer that is trusted":  {seal.Trust{trusted(t, key, always, always, seal.RoleWriter)}, message, signature, ""},
		"one of several signers":    {seal.Trust{trusted(t, other.PublicKey(), always, always, seal.RoleWriter), trusted(t, key, always, always, seal.RoleDrill, seal.RoleWriter)}, message, signature, ""},
		"two entries for one key":   {seal.Trust{trusted(t, key, always, at.Add(-time.Hour), seal.RoleWriter), trusted(t, key, at, always, seal.RoleWriter)}, message, signature, ""},
		"valid from that moment on": {seal.Trust{trusted(t, key, at, at, seal.RoleWriter)}, message, signature, ""},
		"nobody is trusted":         {nil, message, signature, "nobody in trustedSigners"},
		"somebody else":             {seal.Trust{trusted(t, other.PublicKey(), always, always, seal.RoleWriter)}, message, signature, "nobody in trustedSigners"},
		"in another role":           {seal.Trust{trusted(t, key, always, always, seal.RolePruner)}, message, signature, "does not hold the role writer"},
		"not yet valid":             {seal.Trust{trusted(t, key, at.Add(time.Second), always, seal.RoleWriter)}, message, signature, "was not valid"},
		"not valid any more":        {seal.Trust{trusted(t, key, always, at.Add(-time.Second), seal.RoleWriter)}, message, signature, "was not valid"},
		"another message":           {seal.Trust{trusted(t, key, always, always, seal.RoleWriter)}, []byte("another"), signature, "does not fit"},
		"no signature":              {seal.Trust{trusted(t, key, always, always, seal.RoleWriter)}, message, nil, "no signature"},
		"no signature at all":       {seal.Trust{trusted(t, key, always, always, seal.RoleWriter)}, message, []byte("hello"), "not in minisign's format"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := tt.trust.Verify(seal.RoleWriter, tt.message, tt.signature, at)
			if tt.why == "" {
				if err != nil || got != key {
					t.Errorf("got %q, %v; want the signer", got, err)
				}
				return
			}
			if got != "" || !errors.Is(err, seal.ErrUntrusted) || !strings.Contains(err.Error(), tt.why) {
				t.Errorf("got %q, %v; want ErrUntrusted because %s", got, err, tt.why)
			}
		})
	}
}

func TestEveryFlippedBitOfASignedFileIsFound(t *testing.T) {
	signer := newSigner(t)
	trust := seal.Trust{trusted(t, signer.PublicKey(), always, always, seal.RoleWriter)}
	message := []byte(`{"kind":"manifest"}`)
	signature, err := signer.Sign(message, "points/x/manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	untrustedComment := bytes.IndexByte(signature, '\n') // not covered by a signature, by definition
	for i := range message {
		damaged := bytes.Clone(message)
		damaged[i] ^= 1
		if _, err := trust.Verify(seal.RoleWriter, damaged, signature, at); err == nil {
			t.Errorf("byte %d of the message is not covered", i)
		}
	}
	for i := untrustedComment + 1; i < len(bytes.TrimSpace(signature)); i++ {
		if signature[i] == '\n' || signature[i+1] == '=' {
			continue // a line's end, or base64's last digit, of which some bits mean nothing
		}
		damaged := bytes.Clone(signature)
		damaged[i] ^= 1
		if _, err := trust.Verify(seal.RoleWriter, message, damaged, at); err == nil {
			t.Errorf("byte %d of the signature (%q) is not covered", i, signature[i])
		}
	}
}

// A create that is repeated after a lost reply must send the same bytes.
func TestSignaturesAreDeterministic(t *testing.T) {
	signer := newSigner(t)
	a, errA := signer.Sign([]byte("m"), "c")
	b, errB := signer.Sign([]byte("m"), "c")
	if errA != nil || errB != nil || !bytes.Equal(a, b) {
		t.Errorf("got two signatures (%v, %v)", errA, errB)
	}
}

func TestSignatureForms(t *testing.T) {
	public, private, err := minisign.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	message := []byte("a manifest")
	trust := seal.Trust{trusted(t, public.String(), always, always, seal.RoleWriter)}
	prehashed := minisign.NewReader(bytes.NewReader(message))
	if _, err := io.Copy(io.Discard, prehashed); err != nil {
		t.Fatal(err)
	}
	forms := map[string][]byte{
		"legacy":    minisign.Sign(private, message),
		"prehashed": prehashed.Sign(private),
	}
	for form, signature := range forms {
		t.Run(form, func(t *testing.T) {
			if _, err := trust.Verify(seal.RoleWriter, message, signature, at); err != nil {
				t.Error(err)
			}
			if _, err := trust.Verify(seal.RoleWriter, []byte("b manifest"), signature, at); err == nil {
				t.Error("fits another message")
			}
		})
	}
}

func TestSignerFile(t *testing.T) {
	signer := newSigner(t)
	file, err := signer.Secret()
	if err != nil {
		t.Fatal(err)
	}
	again, err := seal.ParseSigner(file)
	if err != nil || again.PublicKey() != signer.PublicKey() {
		t.Errorf("got %v, %v; want %v", again, err, signer)
	}
	text := "untrusted comment: x\n" + "RWQnotakey"
	if _, err := seal.ParseSigner([]byte(text)); err == nil || strings.Contains(err.Error(), "notakey") {
		t.Errorf("got %v, want an error that quotes nothing", err)
	}
	if _, err := seal.ParseSigner(protected(t, file)); err == nil || !strings.Contains(err.Error(), "passphrase") {
		t.Errorf("got %v, want that a passphrase is in the way", err)
	}
}

// protected marks a key file as encrypted, without the seconds that minisign's
// key derivation takes.
func protected(t *testing.T, file []byte) []byte {
	t.Helper()
	lines := strings.Split(string(file), "\n")
	key, err := base64.StdEncoding.DecodeString(lines[1])
	if err != nil {
		t.Fatal(err)
	}
	copy(key[2:], "Sc") // the name of the derivation
	return []byte(lines[0] + "\n" + base64.StdEncoding.EncodeToString(key))
}

func TestNewTrustedSigner(t *testing.T) {
	if _, err := seal.NewTrustedSigner("RWnonsense", []seal.Role{seal.RoleWriter}, always, always); err == nil {
		t.Error("nonsense is a key")
	}
	if _, err := seal.NewTrustedSigner(newSigner(t).PublicKey(), []seal.Role{"king"}, always, always); err == nil {
		t.Error("king is a role")
	}
}
