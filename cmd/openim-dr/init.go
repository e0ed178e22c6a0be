package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/secret"
	"github.com/openim-dr/openim-dr/internal/storage/dir"
)

type initFlags struct {
	adopt      bool
	signingKey string
}

// initialised is the result of init.
type initialised struct {
	Repository string `json:"repository"`
	ID         string `json:"id"`
	Kit        *kit   `json:"kit"`
}

func newInit(a *app) *cobra.Command {
	var flags initFlags
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Create the repository, and print the recovery kit",
		Long: `Create the repository that the configuration names, and print the recovery kit.

The record of the repository is signed by an operator: with --signing-key, or
with the configured key if that holds the role operator. A directory is created
where it is missing; a bucket must exist. Nothing that exists is overwritten.

` + exitCodes,
		Example: `  openim-dr init --config openim-dr.yaml --signing-key operator-signing.key
  openim-dr init --config second-instance.yaml --signing-key operator-signing.key --adopt`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.init(cmd.Context(), flags) },
	}
	cmd.Flags().BoolVar(&flags.adopt, "adopt", false, "let this instance write into a repository that exists")
	cmd.Flags().StringVar(&flags.signingKey, "signing-key", "", "operator's signing key `FILE`; default the configured signingKey")
	return cmd
}

func (a *app) init(ctx context.Context, flags initFlags) error {
	d, err := a.configured("create repository")
	if err != nil {
		return err
	}
	options, err := d.initOptions(flags)
	if err != nil {
		return err
	}
	store, end, err := a.openStorage(ctx, d.url, absence(!flags.adopt))
	if err != nil {
		return err
	}
	defer end()
	record, err := repository.Init(ctx, store, options)
	if err != nil {
		return err
	}
	page1, err := newKit(d.config, d.url, record.Repository)
	if err != nil {
		return err
	}
	a.out.print(initialised{d.url, record.Repository, page1}, func(p *page) {
		p.line("repository %s is ready at %s", record.Repository, d.url)
		p.line("")
		page1.write(p)
	})
	return nil
}

// offerInit adds to the hint of a failure for want of a repository how one is
// made: only here it is known which configuration is meant.
func (a *app) offerInit(err error) {
	e, ok := fault.Outermost(err)
	if !ok || !errors.Is(err, repository.ErrNone) && !errors.Is(err, dir.ErrAbsent) {
		return
	}
	command := "openim-dr init"
	if path, ok := a.configPath(); !ok {
		command += " --config FILE"
	} else if a.common.config != "" {
		command += " --config " + shellQuote(path)
	}
	if a.common.repository != "" {
		command += " --repository " + shellQuote(a.common.repository)
	}
	e.Try += "; or create one there: " + command
}

func (d *deployment) initOptions(flags initFlags) (repository.InitOptions, error) {
	o := repository.InitOptions{Instance: d.config.Instance, Adopt: flags.adopt, Trust: d.trust, Now: time.Now()}
	operators, drill, err := recipientsOf(d.config)
	if err != nil {
		return o, err
	}
	key := d.config.Repository.SigningKey
	if flags.signingKey != "" {
		key = secret.Ref("file:" + flags.signingKey)
	}
	if o.Signer, err = readSigner(key); err != nil {
		return o, err
	}
	if err := requireRole(d.trust, o.Signer, seal.RoleOperator); err != nil {
		return o, err
	}
	catalog, err := readCatalog(d.config.Repository.CatalogIdentity)
	if err != nil {
		return o, err
	}
	o.DigestReaders = append(operators, catalog.Recipient())
	if drill != nil {
		o.DigestReaders = append(o.DigestReaders, *drill)
	}
	return o, nil
}
