package seal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"aead.dev/minisign"
)

// Role is what a signer may vouch for.
type Role string

// Roles of signers.
const (
	RoleWriter   Role = "writer"   // points
	RolePruner   Role = "pruner"   // state, sweeps, fences
	RoleDrill    Role = "drill"    // proofs
	RoleOperator Role = "operator" // the repository record, keys, holds
)

// Roles lists all roles.
var Roles = []Role{RoleWriter, RolePruner, RoleDrill, RoleOperator}

// ErrUntrusted means that no trusted signer in the needed role vouches for a
// file.
var ErrUntrusted = errors.New("not signed by a trusted signer")

// ErrNoSignature is ErrUntrusted where there is no signature at all.
var ErrNoSignature = fmt.Errorf("%w: it has no signature", ErrUntrusted)

// Signer signs in minisign's format. The zero Signer has no key and cannot
// sign. The key is behind a pointer, since no way of printing a struct follows
// one in a field.
type Signer struct{ key *minisign.PrivateKey }

// GenerateSigner makes a new signing key.
func GenerateSigner() (Signer, error) {
	_, key, err := minisign.GenerateKey(nil)
	if err != nil {
		return Signer{}, fmt.Errorf("generate signing key: %w", err)
	}
	return Signer{&key}, nil
}

// ParseSigner reads an unencrypted minisign secret key file. Errors quote
// nothing of it.
func ParseSigner(file []byte) (Signer, error) {
	if minisign.IsEncrypted(file) {
		return Signer{}, errors.New("the signing key is protected by a passphrase, which a daemon cannot enter")
	}
	var key minisign.PrivateKey
	if err := key.UnmarshalText(file); err != nil {
		return Signer{}, notThe("a minisign secret key", file)
	}
	return Signer{&key}, nil
}

// errNoSigner: the zero Signer.
var errNoSigner = errors.New("there is no signing key")

// Secret returns the secret key file. Only a key file may hold it.
func (s Signer) Secret() ([]byte, error) {
	if s.key == nil {
		return nil, errNoSigner
	}
	return s.key.MarshalText()
}

// PublicKey returns the key that verifies, as minisign -P takes it.
func (s Signer) PublicKey() string {
	if s.key == nil {
		return ""
	}
	text := s.key.Public().(minisign.PublicKey).String()
	return text[strings.LastIndexByte(strings.TrimSpace(text), '\n')+1:]
}

// String returns the public key.
func (s Signer) String() string { return s.PublicKey() }

// Sign returns the content of a .minisig file. Signing the same message again
// gives the same bytes, so that a repeated create is not refused. The comment
// is signed too, and shown by minisign.
func (s Signer) Sign(message []byte, comment string) ([]byte, error) {
	if s.key == nil {
		return nil, errNoSigner
	}
	r := minisign.NewReader(bytes.NewReader(message))
	if _, err := io.Copy(io.Discard, r); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return r.SignWithComments(*s.key, comment, "signature of openim-dr"), nil
}

// TrustedSigner is one signer whose word counts in some roles for some time.
type TrustedSigner struct {
	key       minisign.PublicKey
	text      string
	roles     []Role
	notBefore time.Time
	notAfter  time.Time
}

// NewTrustedSigner reads a public key as minisign prints it ("RWQ…"). Zero
// times leave the validity open on that side.
func NewTrustedSigner(key string, roles []Role, notBefore, notAfter time.Time) (TrustedSigner, error) {
	var pub minisign.PublicKey
	key = strings.TrimSpace(key)
	if err := pub.UnmarshalText([]byte(key)); err != nil {
		if kindOf([]byte(key)) != "" { // it may be a secret: nothing of it is quoted
			return TrustedSigner{}, fmt.Errorf("parse public key: %w", notThe("a minisign public key", []byte(key)))
		}
		return TrustedSigner{}, fmt.Errorf("parse public key %q: not a minisign public key", key)
	}
	for _, r := range roles {
		if !slices.Contains(Roles, r) {
			return TrustedSigner{}, fmt.Errorf("unknown role %q: roles are writer, pruner, drill and operator", r)
		}
	}
	return TrustedSigner{pub, key, roles, notBefore, notAfter}, nil
}

// Trust is the set of signers whose word counts. The zero Trust trusts nobody.
type Trust []TrustedSigner

// Empty reports whether nobody is trusted.
func (t Trust) Empty() bool { return len(t) == 0 }

// Verify returns the public key of a signer that signed message, holds role
// and was valid at the time the file claims; otherwise ErrUntrusted with the
// nearest reason, which is ErrAltered too where a trusted signer has signed
// something else.
func (t Trust) Verify(role Role, message, signature []byte, at time.Time) (signer string, err error) {
	if len(signature) == 0 {
		return "", ErrNoSignature
	}
	reason := errors.New("it is signed by nobody in trustedSigners")
	var sig minisign.Signature
	if sig.UnmarshalText(signature) != nil {
		return "", fmt.Errorf("%w: its signature is not in minisign's format", ErrUntrusted)
	}
	for _, s := range t {
		if s.key.ID() != sig.KeyID {
			continue
		}
		switch {
		case !verify(s.key, message, signature):
			reason = misfit(s.text)
		case !slices.Contains(s.roles, role):
			reason = fmt.Errorf("its signer %s does not hold the role %s", s.text, role)
		case !s.notBefore.IsZero() && at.Before(s.notBefore), !s.notAfter.IsZero() && at.After(s.notAfter):
			reason = fmt.Errorf("its signer %s was not valid at %s", s.text, at.UTC().Format(time.RFC3339))
		default:
			return s.text, nil
		}
	}
	return "", fmt.Errorf("%w: %w", ErrUntrusted, reason)
}

// misfit is a trusted key whose signature is over something else.
type misfit string

func (m misfit) Error() string {
	return fmt.Sprintf("the signature by %s does not fit its content", string(m))
}

// Is makes it ErrAltered.
func (m misfit) Is(target error) bool { return target == ErrAltered }

// verify accepts minisign's present and its legacy form.
func verify(key minisign.PublicKey, message, signature []byte) bool {
	r := minisign.NewReader(bytes.NewReader(message))
	if _, err := io.Copy(io.Discard, r); err != nil {
		return false
	}
	return r.Verify(key, signature) || minisign.Verify(key, message, signature)
}
