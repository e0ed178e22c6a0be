package main

import (
	"fmt"
	"strings"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/seal"
)

// kit is the recovery kit: one page, to be printed and kept away from the
// cluster, with which an empty machine brings everything back.
type kit struct {
	Repository string         `json:"repository"`
	ID         string         `json:"id"`
	Copies     []string       `json:"copies"`
	Signers    []kitSigner    `json:"signers"`
	Recipients []kitRecipient `json:"recipients"`
	Version    string         `json:"version"`
	SHA256     string         `json:"sha256"`
	Commands   []string       `json:"commands"`

	whole bool // the commands hold all that they need
}

type kitSigner struct {
	Key   string      `json:"key"`
	Roles []seal.Role `json:"roles"`
}

// flag spells the signer as --trust takes it.
func (s kitSigner) flag() string {
	flag := s.Key
	for i, role := range s.Roles {
		separator := ","
		if i == 0 {
			separator = "="
		}
		flag += separator + string(role)
	}
	return flag
}

type kitRecipient struct {
	Use         string `json:"use"` // operator or drill
	Fingerprint string `json:"fingerprint"`
}

// newKit gathers what is known. Without a configuration that is little.
func newKit(c *config.Config, url, id string) (*kit, error) {
	running, err := thisBuild()
	if err != nil {
		return nil, err
	}
	k := &kit{
		Repository: url, ID: id, Copies: []string{}, Signers: []kitSigner{}, Recipients: []kitRecipient{},
		Version: running.Version, SHA256: running.SHA256,
	}
	if c != nil {
		for _, copied := range c.Copies {
			k.Copies = append(k.Copies, copied.Name+" "+copied.URL)
		}
		for _, s := range c.Repository.TrustedSigners {
			k.Signers = append(k.Signers, kitSigner{string(s.Key), s.Roles})
		}
		for _, r := range c.Repository.Recipients {
			k.Recipients = append(k.Recipients, kitRecipient{"operator", r.Fingerprint()})
		}
		if d := c.Repository.DrillRecipient; d != nil {
			k.Recipients = append(k.Recipients, kitRecipient{"drill", d.Fingerprint()})
		}
	}
	k.Commands, k.whole = k.commands(), url != "" && len(k.Signers) > 0
	return k, nil
}

// commands are the first three to type on an empty machine.
func (k *kit) commands() []string {
	where := "--repository " + shellQuote(orUnknown(k.Repository, "URL"))
	for _, s := range k.Signers {
		where += " --trust " + shellQuote(s.flag())
	}
	restore := "openim-dr restore latest " + where + " --identity operator.key --target target.yaml"
	return []string{"openim-dr list " + where, restore + " --plan", restore}
}

func orUnknown(s, placeholder string) string {
	if s == "" {
		return placeholder
	}
	return s
}

// shellQuote quotes what a shell would take apart.
func shellQuote(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=,+@%", r)
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// write prints the page.
func (k *kit) write(p *page) {
	p.line("RECOVERY KIT: print this page and keep it away from the cluster")
	p.line("")
	p.line("repository   %s", orUnknown(k.Repository, "(named in the configuration)"))
	p.line("id           %s", orUnknown(k.ID, "(openim-dr init prints it)"))
	p.line("copies       %s", orUnknown(strings.Join(k.Copies, ", "), "none"))
	for i, s := range k.Signers {
		p.line("%-12s %s", heading("signers", i), s.flag())
	}
	for i, r := range k.Recipients {
		p.line("%-12s %s (%s)", heading("recipients", i), r.Fingerprint, r.Use)
	}
	p.line("program      openim-dr %s", k.Version)
	p.line("sha256       %s", k.SHA256)
	p.line("")
	p.line("You also need the private key of one operator (operator.key below), and in")
	p.line("target.yaml where to restore to: a list in the form of the configuration's")
	p.line("sources. On an empty machine, with this program and nothing else:")
	for i, c := range k.Commands {
		p.line("  %d. %s", i+1, c)
	}
	if !k.whole {
		p.line("")
		p.line("These commands lack what is not known yet: the repository, and a --trust for each")
		p.line("signer. Print the page that openim-dr init prints: there they are complete.")
	}
}

func heading(name string, i int) string {
	if i > 0 {
		return ""
	}
	return name
}

// add enters a key that was made just now.
func (k *kit) add(made newKey) {
	switch {
	case made.PublicKey != "":
		for _, s := range k.Signers {
			if s.Key == made.PublicKey {
				return
			}
		}
		k.Signers = append(k.Signers, kitSigner{Key: made.PublicKey})
	case made.use == "operator" || made.use == "drill":
		k.Recipients = append(k.Recipients, kitRecipient{fmt.Sprintf("%s, new", made.use), made.fingerprint})
	}
}
