package seal

import (
	"bytes"
	"fmt"

	"aead.dev/minisign"
)

// notThe says that a file is not what was wanted, and where it can be told, what
// it is: keys of several kinds lie side by side, and are easily taken for each
// other. It quotes nothing of the file.
func notThe(wanted string, file []byte) error {
	if is := kindOf(file); is != "" {
		return fmt.Errorf("not %s but %s", wanted, is)
	}
	return fmt.Errorf("not %s", wanted)
}

// kindOf says what a file is, or "" where it is nothing that is known here.
func kindOf(file []byte) string {
	text := bytes.TrimSpace(file)
	var (
		secret    minisign.PrivateKey
		public    minisign.PublicKey
		signature minisign.Signature
	)
	switch {
	case bytes.Contains(text, []byte("AGE-SECRET-KEY-")):
		return "an age identity, which opens what is sealed"
	case bytes.HasPrefix(text, []byte("age1")):
		return "an age recipient, the public half of a key"
	case bytes.HasPrefix(text, []byte("age-encryption.org/")), bytes.HasPrefix(text, []byte("-----BEGIN AGE ENCRYPTED FILE-----")):
		return "a file that is encrypted with age"
	case minisign.IsEncrypted(file), secret.UnmarshalText(file) == nil:
		return "a minisign secret key, which signs"
	case public.UnmarshalText(text) == nil:
		return "a minisign public key"
	case signature.UnmarshalText(file) == nil:
		return "a minisign signature"
	default:
		return ""
	}
}
