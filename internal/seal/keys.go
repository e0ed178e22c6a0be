package seal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
)

// Recipient is the public half of an age key, X25519 or post-quantum hybrid.
type Recipient struct {
	age.Recipient
	text string
	pq   bool
}

// ParseRecipient reads "age1…" or "age1pq1…".
func ParseRecipient(s string) (Recipient, error) {
	s = strings.TrimSpace(s)
	if is := kindOf([]byte(s)); is != "" && !strings.HasPrefix(s, "age1") { // age quotes what it cannot read
		return Recipient{}, notThe("an age recipient", []byte(s))
	}
	if strings.HasPrefix(s, "age1pq1") {
		r, err := age.ParseHybridRecipient(s)
		if err != nil {
			return Recipient{}, fmt.Errorf("parse post-quantum recipient: %w", err)
		}
		return Recipient{r, s, true}, nil
	}
	r, err := age.ParseX25519Recipient(s)
	if err != nil {
		return Recipient{}, fmt.Errorf("parse recipient: %w", err)
	}
	return Recipient{r, s, false}, nil
}

// String returns the recipient as age prints it.
func (r Recipient) String() string { return r.text }

// PostQuantum reports whether r is a hybrid recipient. age refuses to mix the
// two classes in one file.
func (r Recipient) PostQuantum() bool { return r.pq }

// Fingerprint names the recipient in a repository: the first 32 hex digits of
// the SHA-256 of its text.
func (r Recipient) Fingerprint() string { return r.KeyID()[:32] }

// KeyID is the SHA-256, in hex, of the recipient's text; it names a run key.
func (r Recipient) KeyID() string {
	sum := sha256.Sum256([]byte(r.text))
	return hex.EncodeToString(sum[:])
}

// Identity is the private half of an age key. It prints as its recipient, so
// that no log shows it by accident (invariant 4).
type Identity struct {
	age.Identity
	recipient Recipient
	// private is a function, since no way of printing a struct, also as the
	// field of another one, shows what a function returns.
	private func() string
}

// printedRecipient is what both classes of age's recipients are.
type printedRecipient interface {
	age.Recipient
	fmt.Stringer
}

func newIdentity(id age.Identity, recipient printedRecipient, private func() string, postQuantum bool) Identity {
	return Identity{id, Recipient{recipient, recipient.String(), postQuantum}, private}
}

// GenerateIdentity makes a new key.
func GenerateIdentity(postQuantum bool) (Identity, error) {
	if postQuantum {
		id, err := age.GenerateHybridIdentity()
		if err != nil {
			return Identity{}, fmt.Errorf("generate post-quantum key: %w", err)
		}
		return newIdentity(id, id.Recipient(), id.String, true), nil
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return Identity{}, fmt.Errorf("generate key: %w", err)
	}
	return newIdentity(id, id.Recipient(), id.String, false), nil
}

// ParseIdentities reads an identity file as age-keygen writes it. Errors quote
// nothing of it.
func ParseIdentities(file []byte) ([]Identity, error) {
	parsed, err := age.ParseIdentities(bytes.NewReader(file))
	if err != nil {
		return nil, notThe("an age identity file (X25519 or post-quantum, as age-keygen writes it)", file)
	}
	ids := make([]Identity, 0, len(parsed))
	for _, p := range parsed {
		switch id := p.(type) {
		case *age.X25519Identity:
			ids = append(ids, newIdentity(id, id.Recipient(), id.String, false))
		case *age.HybridIdentity:
			ids = append(ids, newIdentity(id, id.Recipient(), id.String, true))
		default:
			return nil, fmt.Errorf("identity of an unsupported kind %T", p)
		}
	}
	return ids, nil
}

// Recipient returns the public half.
func (id Identity) Recipient() Recipient { return id.recipient }

// String returns the public half.
func (id Identity) String() string { return id.recipient.text }

// Secret returns the private half as age prints it. Only key files and wraps
// may hold it.
func (id Identity) Secret() string { return id.private() }

// Wrap seals the private half to one recipient: an age file that holds an
// identity file.
func (id Identity) Wrap(to Recipient) ([]byte, error) {
	return Encrypt([]byte(id.Secret()+"\n"), to)
}

// Unwrap opens a wrap with any of the identities.
func Unwrap(wrapped []byte, with []Identity) (Identity, error) {
	plain, err := Decrypt(wrapped, with)
	if err != nil {
		return Identity{}, err
	}
	ids, err := ParseIdentities(plain)
	if err != nil {
		return Identity{}, err
	}
	if len(ids) != 1 {
		return Identity{}, fmt.Errorf("%w: a wrap holds %d identities, want 1", ErrAltered, len(ids))
	}
	return ids[0], nil
}

// Encrypt seals a few bytes to one recipient, uncompressed.
func Encrypt(plain []byte, to Recipient) ([]byte, error) {
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to.Recipient)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	if _, err := w.Write(plain); err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	return out.Bytes(), nil
}

// Decrypt opens what Encrypt sealed.
func Decrypt(sealed []byte, with []Identity) ([]byte, error) {
	r, err := age.Decrypt(bytes.NewReader(sealed), AgeIdentities(with)...)
	if err != nil {
		return nil, fmt.Errorf("decrypt: %w", err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("decrypt: %w: %w", ErrAltered, err)
	}
	return plain, nil
}

// AgeIdentities converts for the age package.
func AgeIdentities(ids []Identity) []age.Identity {
	out := make([]age.Identity, len(ids))
	for i, id := range ids {
		out[i] = id.Identity
	}
	return out
}
