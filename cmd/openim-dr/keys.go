package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/secret"
)

// passphraseVariable opens protected identity files where nobody can be asked.
const passphraseVariable = "OPENIM_DR_PASSPHRASE"

// maxKeyFile bounds what is read of a key file.
const maxKeyFile = 1 << 20

// readIdentities reads the operators' private keys.
func (a *app) readIdentities(ctx context.Context, files []string) ([]seal.Identity, error) {
	var all []seal.Identity
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, usage("read identity", "%w", err).Hint("give the file with an operator's private key: --identity FILE")
		}
		if data, err = a.unprotect(ctx, file, data); err != nil {
			return nil, err
		}
		ids, err := seal.ParseIdentities(data)
		if err != nil {
			return nil, usage("read identity", "%w", err).On(file).Hint("--identity takes an operator's private key: the file that openim-dr keygen operator made")
		}
		all = append(all, ids...)
	}
	return all, nil
}

// unprotect decrypts an identity file that is protected by a passphrase.
func (a *app) unprotect(ctx context.Context, file string, data []byte) ([]byte, error) {
	if !isProtected(data) {
		return data, nil
	}
	var sealed io.Reader = bytes.NewReader(data)
	if isArmored(data) {
		sealed = armor.NewReader(sealed)
	}
	passphrase, err := a.askPassphrase(ctx, "passphrase of "+file)
	if err != nil {
		return nil, err
	}
	key, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, usage("open identity", "the passphrase is empty").On(file)
	}
	plain, err := age.Decrypt(sealed, key)
	if err != nil {
		return nil, usage("open identity", "the passphrase is wrong, or the file is not protected by one").On(file).
			Hint("try again, or set %s; where it is lost, use the identity of another recipient", passphraseVariable)
	}
	opened, err := io.ReadAll(io.LimitReader(plain, maxKeyFile))
	if err != nil {
		return nil, usage("open identity", "%w", err).On(file)
	}
	return opened, nil
}

// isProtected reports whether an identity file is encrypted.
func isProtected(data []byte) bool {
	return isArmored(data) || bytes.HasPrefix(data, []byte("age-encryption.org/"))
}

func isArmored(data []byte) bool { return bytes.HasPrefix(data, []byte(armor.Header)) }

// protect encrypts an identity file with a passphrase, as `age -p` does.
func protect(plain []byte, passphrase string) ([]byte, error) {
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, usage("protect key", "the passphrase is empty")
	}
	var out bytes.Buffer
	armored := armor.NewWriter(&out)
	w, err := age.Encrypt(armored, recipient)
	if err != nil {
		return nil, fmt.Errorf("protect key: %w", err)
	}
	_, err = w.Write(plain)
	if err = errors.Join(err, w.Close(), armored.Close()); err != nil {
		return nil, fmt.Errorf("protect key: %w", err)
	}
	return out.Bytes(), nil
}

// readSigner reads a signing key.
func readSigner(from secret.Ref) (seal.Signer, error) {
	text, err := from.Resolve()
	if err != nil {
		return seal.Signer{}, usage("read signing key", "%w", err).Hint("make one: openim-dr keygen signing --out FILE")
	}
	signer, err := seal.ParseSigner([]byte(text))
	if err != nil {
		return seal.Signer{}, usage("read signing key", "%w", err).On(string(from)).Hint("make one: openim-dr keygen signing --out FILE")
	}
	return signer, nil
}

// readCatalog reads the catalog identity.
func readCatalog(from secret.Ref) (seal.Identity, error) {
	hint := "make one: openim-dr keygen catalog --out FILE"
	text, err := from.Resolve()
	if err != nil {
		return seal.Identity{}, usage("read catalog identity", "%w", err).Hint("%s", hint)
	}
	ids, err := seal.ParseIdentities([]byte(text))
	switch {
	case err != nil:
		return seal.Identity{}, usage("read catalog identity", "%w", err).On(string(from)).Hint("%s", hint)
	case len(ids) != 1:
		return seal.Identity{}, usage("read catalog identity", "it holds %d keys, want 1", len(ids)).On(string(from)).Hint("%s", hint)
	}
	return ids[0], nil
}

// readDrillIdentity reads what opens the points in a drill.
func readDrillIdentity(from secret.Ref) ([]seal.Identity, error) {
	hint := "--identity FILE gives one, and so does verify.identity; openim-dr keygen drill makes the drill's own"
	if from.IsZero() {
		return nil, usage("read drill identity", "there is none").Hint("%s", hint)
	}
	text, err := from.Resolve()
	if err != nil {
		return nil, usage("read drill identity", "%w", err).Hint("%s", hint)
	}
	ids, err := seal.ParseIdentities([]byte(text))
	if err != nil {
		return nil, usage("read drill identity", "%w", err).On(string(from)).Hint("%s", hint)
	}
	return ids, nil
}

// requireRole fails where what a signer signs would not count.
func requireRole(trust seal.Trust, signer seal.Signer, role seal.Role) error {
	probe := []byte("probe")
	signature, err := signer.Sign(probe, "probe")
	if err != nil {
		return err
	}
	if _, err := trust.Verify(role, probe, signature, time.Now()); err != nil {
		return usage("sign", "what %s signs would not count: %w", signer.PublicKey(), err).
			Hint("add the key to trustedSigners with the role %s, or give the right one", role)
	}
	return nil
}

// recipientsOf returns the configured recipients, and refuses the example's.
func recipientsOf(c *config.Config) (operators []seal.Recipient, drill *seal.Recipient, err error) {
	for _, r := range c.Repository.Recipients {
		if config.IsExample(r.String()) {
			return nil, nil, usage("read recipients", "%s is the example's key, and nobody can open what is sealed to it", r).
				Hint("make your own: openim-dr keygen operator --out FILE")
		}
		operators = append(operators, r.Recipient)
	}
	if d := c.Repository.DrillRecipient; d != nil {
		drill = &d.Recipient
	}
	return operators, drill, nil
}
