package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// checkTimeout bounds one check (invariant 9).
const checkTimeout = 2 * time.Minute

func newDoctor(a *app) *cobra.Command {
	var strict bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Examine the set-up, and what a restore would not bring back",
		Long: `Examine the configuration, the keys, the repository, the bucket or directory that
it is in and those of its copies, every source, what of this OpenIM no source
covers, what a restore would stop and purge, and whether a drill could be done.
Each finding says how it was found and what to do; what is only worth knowing is
marked info. Nothing is changed: that the repository can be written to is tried by
creating a file that exists, with the bytes that it holds, and that a cache may be
purged by deleting keys that nobody has.

The exit code is 0 whatever was found; with --strict it is 2 as soon as one
finding is a warning or an error.

` + exitCodes,
		Example: `  openim-dr doctor --config openim-dr.yaml
  openim-dr doctor --strict -o json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd.Context(), strict) },
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "exit with code 2 where a finding is a warning or an error")
	return cmd
}

func (a *app) doctor(ctx context.Context, strict bool) error {
	findings, err := a.examine(ctx)
	if err != nil {
		return err
	}
	a.out.print(findings, func(p *page) { writeFindings(p, findings) })
	bad := slices.DeleteFunc(slices.Clone(findings), func(f source.Finding) bool { return !f.Severity.Bad() })
	if !strict || len(bad) == 0 {
		return nil
	}
	return usage("examine", "%d of %d findings are warnings or errors", len(bad), len(findings)).
		Hint("each finding says what to do")
}

// examine runs every check. One that fails hides no other.
func (a *app) examine(ctx context.Context) ([]source.Finding, error) {
	path, ok := a.configPath()
	if !ok {
		return nil, usage("examine", "no configuration is given").
			Hint("give --config FILE or set OPENIM_DR_CONFIG; `openim-dr config example` prints a file to start from")
	}
	d, err := a.deployment()
	if err != nil {
		return []source.Finding{found("configuration", "", err)}, nil
	}
	findings := []source.Finding{fine("configuration", fmt.Sprintf("%s is valid: instance %s, %s", path, d.config.Instance, plural(int64(len(d.config.Sources)), "source")))}
	checks := []func(context.Context) []source.Finding{
		func(context.Context) []source.Finding { return examineKeys(d) },
		func(context.Context) []source.Finding {
			return examineSigners(d.config.Repository.TrustedSigners, time.Now())
		},
		func(context.Context) []source.Finding { return examineHooks(d.config.Hooks) },
		func(context.Context) []source.Finding { return examineNotifications(d.config) },
		func(ctx context.Context) []source.Finding { return a.examineRepository(ctx, d) },
		func(ctx context.Context) []source.Finding { return examinePlaces(ctx, d.url, d.config.Copies) },
	}
	for _, s := range d.config.Sources {
		checks = append(checks, func(ctx context.Context) []source.Finding { return examineSource(ctx, s, d.config.Limits) })
	}
	checks = append(checks,
		func(ctx context.Context) []source.Finding { return examineCoverage(ctx, d.config) },
		func(ctx context.Context) []source.Finding { return examineDeployed(ctx, d.config) },
		func(ctx context.Context) []source.Finding { return examineQuiesce(ctx, d.config) },
		func(ctx context.Context) []source.Finding { return examineCaches(ctx, d.config) },
		func(ctx context.Context) []source.Finding { return examineDrills(ctx, d) },
	)
	for _, check := range checks {
		findings = append(findings, limited(ctx, check)...)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	return findings, nil
}

func limited(ctx context.Context, check func(context.Context) []source.Finding) []source.Finding {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	return check(ctx)
}

// examineKeys looks whether a backup would find its keys, and whether its
// signature would count.
func examineKeys(d *deployment) []source.Finding {
	o, err := d.writerOptions()
	if err != nil {
		return []source.Finding{found("keys.readable", "", err)}
	}
	findings := []source.Finding{fine("keys.readable", fmt.Sprintf("signing key %s and catalog identity %s are readable; points are sealed to %s",
		o.Signer.PublicKey(), o.Catalog.Recipient().Fingerprint(), plural(int64(len(o.Recipients)), "operator")))}
	if err := requireRole(d.trust, o.Signer, seal.RoleWriter); err != nil {
		return append(findings, found("keys.signer", "", err))
	}
	findings = append(findings, fine("keys.signer", "the signing key is trusted in the role writer"))
	if len(o.Recipients) == 1 {
		findings = append(findings, source.Finding{
			Check: "keys.operators", Severity: source.Warning,
			Evidence: "one operator's key alone opens the points: whoever loses it loses every point",
			Remedy:   "add a second recipient whose private key is kept elsewhere",
		})
	}
	return findings
}

// examineHooks looks whether the hooks could be called, and calls none.
func examineHooks(hooks []config.Hook) []source.Finding {
	var findings []source.Finding
	for i, h := range hooksOf(hooks) {
		if err := h.Ready(); err != nil {
			findings = append(findings, source.Finding{
				Check: "hooks.ready", Severity: source.Error, Evidence: fmt.Sprintf("hooks[%d], %s on %s: %s", i, h, h.On, fault.OneLine(err.Error())),
				Remedy: "see that the program is there, and that the secrets can be read where openim-dr runs",
			})
		}
	}
	if len(hooks) > 0 && len(findings) == 0 {
		findings = append(findings, fine("hooks.ready", plural(int64(len(hooks)), "hook")+" could be called; none was"))
	}
	return findings
}

// examineRepository looks whether a backup could write.
func (a *app) examineRepository(ctx context.Context, d *deployment) []source.Finding {
	store, end, err := a.openStorage(ctx, d.url, mustExist)
	if err != nil {
		a.offerInit(err)
		return []source.Finding{found("repository.reachable", "", err)}
	}
	defer end()
	repo, err := repository.Open(ctx, store, repository.Options{Trust: d.trust})
	if err != nil {
		a.offerInit(err)
		return []source.Finding{found("repository.reachable", "", err)}
	}
	listing, err := repo.List(ctx)
	if err != nil {
		return []source.Finding{found("repository.reachable", "", err)}
	}
	findings := []source.Finding{
		fine("repository.reachable", fmt.Sprintf("%s holds repository %s with %s", d.url, repo.Record().Repository, plural(int64(len(listing.Points)), "point"))),
		examineCreate(ctx, store, repo),
	}
	findings = append(findings, examineExclusive(ctx, d.url, repo.Record().Path)...)
	for _, b := range listing.Broken {
		findings = append(findings, found("repository.points", "point "+b.ID+": ", b.Err))
	}
	options, err := d.writerOptions()
	if err != nil {
		return findings // examineKeys has said so
	}
	if _, err := repository.OpenWriter(ctx, store, options); err != nil {
		return append(findings, found("repository.writable", "", err))
	}
	return append(findings, fine("repository.writable", "instance, signer, recipients and catalog identity fit the repository"))
}

// examineCreate tries the right to create without leaving anything behind: it
// creates a file that exists with the bytes that it holds. The storage judges
// the right before it looks whether the name is taken.
func examineCreate(ctx context.Context, store storage.ReadWriter, repo *repository.Repository) source.Finding {
	path := repo.Record().Path
	data, err := storage.Get(ctx, store, path, 1<<20)
	if err != nil {
		return found("repository.create", "", fault.New(fault.Failed, "read "+path, "%w", err))
	}
	if _, err := storage.Put(ctx, store, path, data); err != nil {
		hint := "grant the right to create and to read objects; no other is needed"
		if cause, ok := fault.Outermost(err); ok && cause.Try != "" {
			hint = cause.Try // a full disk and a volume mounted read-only are no matter of rights
		}
		return found("repository.create", "", usage("create a file in the repository", "%w", err).On(store.URL()).Hint("%s", hint))
	}
	return fine("repository.create", "files can be created and read (tried with "+path+", whose bytes were sent again)")
}

func examineSource(ctx context.Context, s config.Source, limits config.Limits) []source.Finding {
	check, prefix := s.Kind+".source", "source "+s.Name+": "
	o, err := openSource(s, sourceOptions{limits: limits})
	if err != nil {
		return []source.Finding{found(check, prefix, err)}
	}
	examiner, ok := o.Source.(source.Doctor)
	if !ok {
		return []source.Finding{fine(check, prefix+"this kind of source does not examine itself")}
	}
	findings := examiner.Examine(ctx)
	for i := range findings {
		findings[i].Evidence = prefix + findings[i].Evidence
	}
	return findings
}

func fine(check, evidence string) source.Finding {
	return source.Finding{Check: check, Severity: source.OK, Evidence: evidence}
}

// found turns an error into a finding.
func found(check, prefix string, err error) source.Finding {
	f := source.Finding{Check: check, Severity: source.Error, Evidence: prefix + fault.OneLine(err.Error()), Remedy: "see the evidence"}
	if e, ok := fault.Outermost(err); ok && e.Try != "" {
		f.Remedy = fault.OneLine(e.Try)
	}
	return f
}

func writeFindings(p *page, findings []source.Finding) {
	bad := 0
	for _, f := range findings {
		p.line("%-8s %-24s %s", f.Severity, f.Check, f.Evidence)
		if f.Severity.Bad() {
			bad++
		}
		if f.Severity != source.OK {
			p.line("%-8s %-24s to do: %s", "", "", f.Remedy)
		}
	}
	p.line("")
	p.line("%s, %d to look at", plural(int64(len(findings)), "check"), bad)
}
