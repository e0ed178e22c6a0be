package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/seal"
)

type keygenFlags struct {
	out         string
	postQuantum bool
	passphrase  bool
}

// newKey is the result of keygen: the public half, and where the private is.
type newKey struct {
	Recipient string `json:"recipient,omitempty"`
	PublicKey string `json:"publicKey,omitempty"`
	File      string `json:"file"`

	use         string
	fingerprint string
}

// keyUses says where the public half of each key, or its file, is entered.
var keyUses = map[string]string{
	"operator": "list it under repository.recipients, and keep the file away from the cluster: it opens every point",
	"signing":  "list it under repository.trustedSigners, with roles: [writer] and the file as repository.signingKey, with roles: [drill] and the file as verify.signingKey where restores are tested, or with roles: [operator] and the file kept by the operators",
	"catalog":  "name the file as repository.catalogIdentity: it opens the object index and nothing else",
	"drill":    "enter it as repository.drillRecipient, and keep the file where restores are tested",
}

func newKeygen(a *app) *cobra.Command {
	var flags keygenFlags
	cmd := &cobra.Command{
		Use:   "keygen operator|signing|catalog|drill",
		Short: "Make a key, and print its public half and the recovery kit",
		Long: `Make a key. The private half goes to the file of --out, which must not exist
and which only its owner can read; the public half and the recovery kit as far
as it is known are printed. Operator, catalog and drill keys are age keys,
signing keys are minisign keys.

--passphrase protects an operator's key as ` + "`age -p`" + ` does; the passphrase is asked
for on the terminal, or taken from ` + passphraseVariable + `.

` + exitCodes,
		Example: `  openim-dr keygen operator --out operator.key --passphrase
  openim-dr keygen signing --out signing.key
  openim-dr keygen catalog --out catalog.key`,
		Args:      arguments(1, 1),
		ValidArgs: []string{"operator", "signing", "catalog", "drill"},
		RunE:      func(cmd *cobra.Command, args []string) error { return a.keygen(cmd.Context(), args[0], flags) },
	}
	cmd.Flags().StringVar(&flags.out, "out", "", "`FILE` for the private half (required)")
	cmd.Flags().BoolVar(&flags.postQuantum, "pq", false, "make a post-quantum hybrid key; all age keys of a repository must be of one class")
	cmd.Flags().BoolVar(&flags.passphrase, "passphrase", false, "protect an operator's key with a passphrase")
	return cmd
}

func (a *app) keygen(ctx context.Context, use string, flags keygenFlags) error {
	if err := flags.check(use); err != nil {
		return err
	}
	made, file, err := makeKey(use, flags.postQuantum)
	if err != nil {
		return err
	}
	if flags.passphrase {
		if file, err = a.protectNew(ctx, file); err != nil {
			return err
		}
	}
	if err := writeKeyFile(flags.out, file); err != nil {
		return err
	}
	made.File = flags.out
	page1, err := a.kitSoFar()
	if err != nil {
		return err
	}
	page1.add(made)
	a.out.print(made, func(p *page) {
		p.line("%s key written to %s", use, made.File)
		p.line("public half  %s", made.Recipient+made.PublicKey)
		p.line("next         %s", keyUses[use])
		p.line("")
		page1.write(p)
	})
	return nil
}

// kitSoFar takes the configuration along where there is one that can be read:
// keys are made while it is being written.
func (a *app) kitSoFar() (*kit, error) {
	path, ok := a.configPath()
	if !ok {
		return newKit(nil, a.common.repository, "")
	}
	c, err := config.Load(path, settingsOfKinds())
	if err != nil {
		a.log.Warn("the recovery kit knows nothing of the configuration, which cannot be read yet", "error", err.Error())
		return newKit(nil, a.common.repository, "")
	}
	return newKit(c, cmp.Or(a.common.repository, c.Repository.URL), "")
}

func (f keygenFlags) check(use string) error {
	switch {
	case keyUses[use] == "":
		return usage("make key", "there is no kind of key %q", use).Hint("openim-dr keygen operator|signing|catalog|drill")
	case f.out == "":
		return usage("make key", "--out is required: a private key is never printed").Hint("openim-dr keygen %s --out %s.key", use, use)
	case f.postQuantum && use == "signing":
		return usage("make key", "--pq is for age keys; signatures are Ed25519")
	case f.passphrase && use != "operator":
		return usage("make key", "--passphrase is for operators' keys: nobody is there to type it when a %s key is used", use)
	}
	return nil
}

func makeKey(use string, postQuantum bool) (newKey, []byte, error) {
	if use == "signing" {
		signer, err := seal.GenerateSigner()
		if err != nil {
			return newKey{}, nil, err
		}
		file, err := signer.Secret()
		if err != nil {
			return newKey{}, nil, fmt.Errorf("write signing key: %w", err)
		}
		if !slices.Contains(file, '\n') || file[len(file)-1] != '\n' {
			file = append(file, '\n')
		}
		return newKey{PublicKey: signer.PublicKey(), use: use}, file, nil
	}
	id, err := seal.GenerateIdentity(postQuantum)
	if err != nil {
		return newKey{}, nil, err
	}
	var file strings.Builder
	fmt.Fprintf(&file, "# openim-dr %s key, created: %s\n", use, time.Now().UTC().Format(time.RFC3339))
	fmt.Fprintf(&file, "# public key: %s\n%s\n", id.Recipient(), id.Secret())
	return newKey{Recipient: id.Recipient().String(), use: use, fingerprint: id.Recipient().Fingerprint()}, []byte(file.String()), nil
}

func (a *app) protectNew(ctx context.Context, file []byte) ([]byte, error) {
	passphrase, err := a.newPassphrase(ctx)
	if err != nil {
		return nil, err
	}
	return protect(file, passphrase)
}

// writeKeyFile creates a file that only its owner reads, and never replaces
// one: an overwritten key is lost for good.
func writeKeyFile(path string, data []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return usage("write key", "the file exists, and a key is never overwritten").On(path).Hint("choose another name")
	}
	if errors.Is(err, fs.ErrNotExist) {
		return usage("write key", "there is no such directory").On(path).Hint("mkdir -p -m 700 %s", filepath.Dir(path))
	}
	if err != nil {
		return usage("write key", "%w", err).Hint("choose a directory that you may write to")
	}
	_, err = file.Write(data)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return errors.Join(fmt.Errorf("write key %s: %w", path, err), os.Remove(path))
	}
	return nil
}
