package config

import (
	"errors"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/seal"
)

// Recipient is a public age key.
type Recipient struct{ seal.Recipient }

var (
	errPrivateKey = errors.New("this is a private key, and it is compromised by standing here; the public half begins with age1")
	errRecipient  = errors.New("it is not a public age key (age1…), as `openim-dr keygen` prints it")
	errPublicKey  = errors.New("it is not a minisign public key (RW…), as `openim-dr keygen signing` prints it")
)

// UnmarshalText reads "age1…".
func (r *Recipient) UnmarshalText(text []byte) error {
	if strings.HasPrefix(string(text), "AGE-SECRET-KEY-") {
		return errPrivateKey
	}
	parsed, err := seal.ParseRecipient(string(text))
	if err != nil {
		return errRecipient // the cause quotes the text
	}
	r.Recipient = parsed
	return nil
}

// MarshalText returns the key.
func (r Recipient) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// PublicKey is a minisign public key.
type PublicKey string

// UnmarshalText reads "RW…".
func (k *PublicKey) UnmarshalText(text []byte) error {
	if _, err := seal.NewTrustedSigner(string(text), nil, time.Time{}, time.Time{}); err != nil {
		return errPublicKey // the cause quotes the text
	}
	*k = PublicKey(strings.TrimSpace(string(text)))
	return nil
}

// MarshalText returns the key.
func (k PublicKey) MarshalText() ([]byte, error) { return []byte(k), nil }
