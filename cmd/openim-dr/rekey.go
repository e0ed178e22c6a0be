package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/seal"
)

type rekeyFlags struct {
	identities []string
	add        []string
	remove     []string
	newest     int
	signer     stateFlags
}

// rekeyed is the result of rekey where something was to be changed.
type rekeyed struct {
	Keys             int64    `json:"keys"`
	Wrapped          int64    `json:"wrapped"`
	Removed          int64    `json:"removed"`
	IncompleteCopies []string `json:"incompleteCopies"`
	Added            []string `json:"added"`
	Dropped          []string `json:"dropped"`
	Strange          int64    `json:"strange"`
	Late             int64    `json:"late"`
}

// readers is the result of rekey where nothing was.
type readers struct {
	Keys    int64    `json:"keys"`
	Points  int64    `json:"points"`
	Readers []reader `json:"readers"`
}

type reader struct {
	repository.KeyReader
	Use string `json:"use"` // operator, drill, catalog; empty: it is not configured
}

func newRekey(a *app) *cobra.Command {
	var flags rekeyFlags
	cmd := &cobra.Command{
		Use:   "rekey",
		Short: "Let another operator's key open every point, and another one none",
		Long: `Wrap the keys of every point, and the digest key, for the recipients of --add, and
then delete the wraps of those of --remove. No data is written anew. Without
either, say for whom the keys are wrapped.

The configuration comes first: who is added is listed in repository.recipients,
and who is removed is listed there no more, on every machine that backs up.
Nothing is removed while a key cannot be opened, nor where no other operator's
wrap would be left that an identity at hand has opened or that this very run has
written. It may be interrupted anywhere and repeated: each point stays readable
by the old or by the new keys. To complete what was interrupted, give the
identity of an operator who stays.

Who is removed opens nothing from then on, but whatever they have read or copied
before they have: of a key that was stolen, change the secrets that the points
hold. A bucket whose retention has not ended keeps the wraps until then.

The drill's recipient is added to the newest points of each source alone.

Every copy of the configuration is rekeyed too. One that cannot be is named, and is
readable as before: run the same again until none is.

What was done leaves a signed entry in the log of the repository, by which check
knows why wraps are gone; its signer holds the role pruner or operator.

` + exitCodes,
		Example: `  openim-dr rekey
  openim-dr rekey --identity old.key --add age1… --remove age1…
  openim-dr rekey --identity mine.key --remove age1…`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.rekey(cmd.Context(), flags) },
	}
	cmd.Flags().StringArrayVar(&flags.identities, "identity", nil, "`FILE` with a private key that opens the points as they are; may be given several times")
	cmd.Flags().StringArrayVar(&flags.add, "add", nil, "public key of a `RECIPIENT` who shall open every point; may be given several times")
	cmd.Flags().StringArrayVar(&flags.remove, "remove", nil, "public key of a `RECIPIENT` who shall open none; may be given several times")
	flags.signer.add(cmd)
	cmd.Flags().IntVar(&flags.newest, "newest", 3, "give the drill's recipient the `N` newest points of each source")
	return cmd
}

func (a *app) rekey(ctx context.Context, flags rekeyFlags) error {
	d, err := a.configured("rekey")
	if err != nil {
		return err
	}
	if len(flags.add)+len(flags.remove) == 0 {
		return a.showReaders(ctx, d)
	}
	options, err := a.rekeyOptions(ctx, d, flags)
	if err != nil {
		return err
	}
	done, err := a.rekeyPlace(ctx, d, flags, options)
	result := rekeyed{
		Keys: done.Keys, Wrapped: done.Wrapped, Removed: done.Removed, IncompleteCopies: []string{},
		Added: notNil(done.Added), Dropped: notNil(done.Dropped), Strange: done.Strange, Late: done.Late,
	}
	if err == nil && d.url == d.config.Repository.URL {
		result.IncompleteCopies, err = a.rekeyCopies(ctx, d, flags, options)
	}
	if done.Keys > 0 || err == nil {
		a.out.print(result, func(p *page) { writeRekeyed(p, result) })
	}
	return err
}

// rekeyCopies does the same in every copy, and names those in which it could not be
// done: whoever was removed can still read them.
func (a *app) rekeyCopies(ctx context.Context, d *deployment, flags rekeyFlags, o repository.RekeyOptions) (incomplete []string, err error) {
	incomplete = []string{}
	for _, c := range d.config.Copies {
		there := *d
		there.url = c.URL
		if _, failed := a.rekeyPlace(ctx, &there, flags, o); failed != nil {
			incomplete = append(incomplete, c.Name)
			err = errors.Join(err, fault.New(fault.KindOf(failed), "rekey copy "+c.Name, "%w", failed).On(c.URL).Hint("it can be read as before; run the same again"))
		}
	}
	return incomplete, err
}

// rekeyPlace rekeys the repository, or one copy of it.
func (a *app) rekeyPlace(ctx context.Context, d *deployment, flags rekeyFlags, o repository.RekeyOptions) (repository.RekeyResult, error) {
	p, end, err := a.openPruner(ctx, d, flags.signer)
	if err != nil {
		return repository.RekeyResult{}, err
	}
	defer end()
	o.Record = func(ctx context.Context, r repository.RekeyResult) error {
		_, err := repository.AppendLog(ctx, p.Store, p.Repo, p.Signer, repository.LogEntry{
			Time: time.Now(), By: p.By, Tool: p.Tool, Action: repository.LogRekey, Reason: flags.signer.reason,
			Added: r.Added, Removed: r.Dropped,
		})
		return err
	}
	show, shown := a.progress()
	defer shown()
	o.Show = show
	return repository.Rekey(ctx, p.Store, p.Store, p.Repo, o)
}

func notNil(list []string) []string { return append([]string{}, list...) }

func (a *app) rekeyOptions(ctx context.Context, d *deployment, flags rekeyFlags) (o repository.RekeyOptions, err error) {
	if len(flags.identities) == 0 {
		return o, usage("rekey", "no identity is given, and nothing can be opened").Hint("give the private key of an operator: --identity FILE")
	}
	if flags.newest < 1 {
		return o, usage("rekey", "--newest takes a number from 1 on")
	}
	o.DrillPoints = flags.newest
	if o.Operators, o.Drill, err = recipientsOf(d.config); err != nil {
		return o, err
	}
	if o.Add, err = parseRecipients("--add", flags.add); err != nil {
		return o, err
	}
	if o.Remove, err = parseRecipients("--remove", flags.remove); err != nil {
		return o, err
	}
	o.Identities, err = a.readIdentities(ctx, flags.identities)
	for _, r := range o.Add {
		if d.use(r.Fingerprint()) == "" {
			a.log.Warn("new points are not wrapped for who is added: the configuration does not list it", "recipient", r.Fingerprint())
		}
	}
	return o, err
}

// parseRecipients quotes nothing: a private key may have been given.
func parseRecipients(flag string, texts []string) ([]seal.Recipient, error) {
	var all []seal.Recipient
	for _, text := range texts {
		r, err := seal.ParseRecipient(text)
		if err != nil {
			return nil, usage("read flags", "%s takes a public age key", flag).Hint("openim-dr keygen operator prints it: age1…")
		}
		all = append(all, r)
	}
	return all, nil
}

// use says what a recipient is in the configuration.
func (d *deployment) use(fingerprint string) string {
	for _, r := range d.config.Repository.Recipients {
		if r.Fingerprint() == fingerprint {
			return "operator"
		}
	}
	if r := d.config.Repository.DrillRecipient; r != nil && r.Fingerprint() == fingerprint {
		return "drill"
	}
	return ""
}

func writeRekeyed(p *page, r rekeyed) {
	p.line("keys       %s", count(r.Keys))
	p.line("wrapped    %s for %s", plural(r.Wrapped, "time"), orNobody(r.Added))
	p.line("removed    %s of %s", plural(r.Removed, "wrap"), orNobody(r.Dropped))
	if r.Strange > 0 {
		p.line("left       %s that no identity at hand opens and no point needs", plural(r.Strange, "key"))
	}
	for _, name := range r.IncompleteCopies {
		p.line("incomplete copy %s: it can be read as before; run this again", name)
	}
	if len(r.Dropped) > 0 {
		p.line("")
		p.line("What the removed keys could open until now must be taken as read.")
	}
}

func orNobody(fingerprints []string) string {
	if len(fingerprints) == 0 {
		return "nobody"
	}
	return strings.Join(fingerprints, ", ")
}

// showReaders says for whom the keys are wrapped.
func (a *app) showReaders(ctx context.Context, d *deployment) error {
	repo, end, err := d.open(ctx, a)
	if err != nil {
		return err
	}
	defer end()
	found, keys, points, err := repository.KeyReaders(ctx, repo)
	if err != nil {
		return err
	}
	result := readers{Keys: keys, Points: points, Readers: []reader{}}
	for _, r := range found {
		use := d.use(r.Fingerprint)
		if use == "" && r.DigestKey && r.Keys == 0 {
			use = "catalog"
		}
		result.Readers = append(result.Readers, reader{r, use})
	}
	a.out.print(result, func(p *page) { writeReaders(p, result) })
	return nil
}

func writeReaders(p *page, r readers) {
	rows := make([][]any, 0, len(r.Readers))
	for _, one := range r.Readers {
		use := one.Use
		if use == "" {
			use = "not configured"
		}
		rows = append(rows, []any{one.Fingerprint, use, ofAll(one.Points, r.Points), ofAll(one.Keys, r.Keys), yes(one.DigestKey)})
	}
	p.table([]column{left("recipient"), left("use"), number("points"), number("keys"), left("digest key")}, rows)
}

func ofAll(n, all int64) string { return fmt.Sprintf("%s of %s", count(n), count(all)) }
