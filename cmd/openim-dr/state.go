package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/secret"
	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/retention"
)

// stateFlags are those of the verbs that decide about one point.
type stateFlags struct {
	reason     string
	until      string
	by         string
	signingKey string
	plan       bool
}

func (f *stateFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.reason, "reason", "", "why: a `TEXT` that is kept with the decision")
	f.addSigner(cmd)
}

// addSigner adds what says who decides.
func (f *stateFlags) addSigner(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.by, "by", "", "`NAME` of who decides; default the user of this machine")
	cmd.Flags().StringVar(&f.signingKey, "signing-key", "", "signing key `FILE` of a signer in the role pruner or operator; default retention.signingKey, then repository.signingKey")
}

// addPlan adds what shows beforehand what becomes of files in the storage.
func (f *stateFlags) addPlan(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.plan, "plan", false, "with repository.objectHolds: say which files it is about, with the requests and rights that it takes, and do nothing")
}

const whoSigns = `The decision is a signed record in the repository, and counts if its signer holds
the role pruner or operator. Nothing is overwritten or deleted by it.`

func newForget(a *app) *cobra.Command {
	var flags stateFlags
	cmd := &cobra.Command{
		Use:   "forget POINT",
		Short: "Let one recovery point go",
		Long: `Forget one recovery point: it is no default of a restore any more and occupies no
slot of the retention. It can still be restored by its id, and undelete takes the
forgetting back, until openim-dr prune sweeps it when its grace has ended.

Refused (exit code 4) for what is held, and for the newest point and the newest
proven point of any source.

` + whoSigns + "\n\n" + exitCodes,
		Example: `  openim-dr forget 20261123T020000Z-k3vq --reason "taken during the migration"`,
		Args:    arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.decide(cmd.Context(), args[0], repository.Forget, flags)
		},
	}
	flags.add(cmd)
	return cmd
}

func newUndelete(a *app) *cobra.Command {
	var flags stateFlags
	cmd := &cobra.Command{
		Use:   "undelete POINT",
		Short: "Take back that a recovery point was forgotten",
		Long: `Take back that a recovery point was forgotten. It counts again as it did before;
the next prune judges it anew, so hold it where no rule keeps it. What is being
swept cannot be taken back.

` + whoSigns + "\n\n" + exitCodes,
		Example: `  openim-dr list --all
  openim-dr undelete 20261123T020000Z-k3vq --reason "needed for an audit"`,
		Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.decide(cmd.Context(), args[0], repository.Undelete, flags)
		},
	}
	flags.add(cmd)
	return cmd
}

func newHold(a *app) *cobra.Command {
	var flags stateFlags
	cmd := &cobra.Command{
		Use:   "hold POINT --reason TEXT",
		Short: "Keep one recovery point whatever the retention says",
		Long: `Hold one recovery point: it is neither forgotten nor swept until the hold ends or
is taken back with unhold. Without --until it does not end by itself. Holding it
again replaces the hold.

Where the configuration says repository.objectHolds: true, every file that the point
needs is held in the bucket as well (Google Cloud Storage), so that nobody can delete
it there, whatever his key. That takes the right storage.objects.update; without it the
record stays, and the exit code is 2. --plan says how many files and requests it takes.

` + whoSigns + "\n\n" + exitCodes,
		Example: `  openim-dr hold latest-proven --reason "before the upgrade to 3.9" --until 30d
  openim-dr hold 20261123T020000Z-k3vq --reason audit --until 2027-01-01`,
		Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.decide(cmd.Context(), args[0], repository.Hold, flags)
		},
	}
	flags.add(cmd)
	flags.addPlan(cmd)
	cmd.Flags().StringVar(&flags.until, "until", "", "end of the hold: a `TIME`, a day such as 2027-01-01 (its beginning in UTC), or a duration such as 30d")
	return cmd
}

func newUnhold(a *app) *cobra.Command {
	var flags stateFlags
	cmd := &cobra.Command{
		Use:   "unhold POINT",
		Short: "End the hold of a recovery point",
		Long: `End the hold of a recovery point. From then on the retention decides about it. With
repository.objectHolds, files are let go of in the bucket which no other held point
needs, unless somebody else has held them; a point whose hold has ended by its date
may be given, too.

` + whoSigns + "\n\n" + exitCodes,
		Example: `  openim-dr unhold 20261123T020000Z-k3vq --reason "audit closed"`,
		Args:    arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.decide(cmd.Context(), args[0], repository.Unhold, flags)
		},
	}
	flags.add(cmd)
	flags.addPlan(cmd)
	return cmd
}

// decide records a decision about one point.
func (a *app) decide(ctx context.Context, ref string, change repository.Change, flags stateFlags) error {
	s := repository.State{Change: change, Reason: flags.reason, By: flags.who(), Time: time.Now().UTC().Truncate(time.Second)}
	if err := flags.read(&s); err != nil {
		return err
	}
	d, err := a.deployment()
	if err != nil {
		return err
	}
	p, end, err := a.openPruner(ctx, d, flags)
	if err != nil {
		return err
	}
	defer end()
	listing, err := p.Repo.List(ctx)
	if err != nil {
		return err
	}
	point, err := listing.Find(ref)
	if err != nil {
		return err
	}
	s.Point = point.Point
	if flags.plan {
		return a.planHolds(ctx, p, s)
	}
	var done decision
	// The hold may have ended by its date, or its end may have been recorded and the
	// files not been let go of.
	if !movesHolds(p, s.Change) || s.Change == repository.Hold || point.Held != nil {
		if err := d.mayDecide(listing, point, s); err != nil {
			return err
		}
		if done.State, err = p.Record(ctx, s); err != nil {
			return err
		}
	}
	if movesHolds(p, s.Change) {
		if done.ObjectHolds, err = a.setHolds(ctx, p, s); err != nil {
			done.ObjectHolds = nil // they are neither held nor let go of, but something between
		}
	}
	a.out.print(done, func(page *page) { writeDecision(page, s.Change, done) })
	return err
}

// read fills in what the flags say, for the change that was asked for.
func (f stateFlags) read(s *repository.State) error {
	if s.Change != repository.Hold || f.plan {
		return nil
	}
	if f.reason == "" {
		return usage("hold a point", "no reason is given").Hint("whoever finds the hold later has to know what it is for: --reason TEXT")
	}
	if f.until == "" {
		return nil
	}
	until, err := parseUntil(f.until, s.Time)
	s.Until = &until
	return err
}

// parseUntil reads a time, a day or a duration from now.
func parseUntil(text string, now time.Time) (time.Time, error) {
	until, err := parseTime(text)
	if day, notDay := time.Parse(time.DateOnly, text); notDay == nil {
		until, err = day, nil
	} else if length, notLength := quantity.ParseDuration(text); notLength == nil {
		until, err = now.Add(length.Duration()), nil
	}
	switch {
	case err != nil:
		return until, usage("read flags", "--until %s is neither a time with a zone nor a day nor a duration", text).
			Hint("for instance 2027-01-01T00:00:00Z, 2027-01-01 or 30d")
	case !until.After(now):
		return until, usage("read flags", "--until %s is not later than now", text)
	}
	return until.UTC(), nil
}

// who is the name that stands in a decision.
func (f stateFlags) who() string {
	if f.by != "" {
		return f.by
	}
	return userName()
}

// mayDecide fails where a decision is refused, or changes nothing.
func (d *deployment) mayDecide(listing *repository.Listing, p *repository.Point, s repository.State) error {
	doing := string(s.Change) + " point " + p.Point
	instance := firstOf(d.instance(), p.Instance)
	switch {
	case p.Instance != instance:
		return fault.New(fault.Refused, doing, "it belongs to instance %q", p.Instance).Hint("use the configuration of that instance")
	case p.Sweeping() && s.Change != repository.Unhold:
		return fault.New(fault.Refused, doing, "it is being swept, and parts of it may be gone")
	case s.Change == repository.Forget && p.Forgotten != nil:
		return usage(doing, "it is forgotten already")
	case s.Change == repository.Undelete && p.Forgotten == nil:
		return usage(doing, "it is not forgotten")
	case s.Change == repository.Unhold && p.Held == nil:
		return usage(doing, "it is not held")
	case s.Change == repository.Forget:
		// The record has whole seconds, in which the newest point would be from the future.
		return retention.MayForget(retention.FromListing(listing), instance, p.Point, time.Now())
	default:
		return nil
	}
}

func writeDecision(p *page, change repository.Change, done decision) {
	if done.State != nil {
		writeRecord(p, done.State)
	}
	if done.ObjectHolds != nil {
		writeHolds(p, change, done.ObjectHolds)
	}
}

func writeRecord(p *page, s *repository.State) {
	switch s.Change {
	case repository.Forget:
		p.line("point %s is forgotten; openim-dr undelete %s takes that back until it is swept", s.Point, s.Point)
	case repository.Undelete:
		p.line("point %s is not forgotten any more", s.Point)
	case repository.Hold:
		until := ""
		if s.Until != nil {
			until = " until " + utc(*s.Until)
		}
		p.line("point %s is held%s", s.Point, until)
	default:
		p.line("point %s is not held any more", s.Point)
	}
}

// openPruner opens the repository, and reads the key that signs. The caller calls
// end.
func (a *app) openPruner(ctx context.Context, d *deployment, flags stateFlags) (p *repository.Pruner, end func(), err error) {
	signer, err := d.stateSigner(flags.signingKey)
	if err != nil {
		return nil, nil, err
	}
	store, end, err := a.openStorage(ctx, d.url, mustExist)
	if err != nil {
		return nil, nil, err
	}
	repo, err := repository.Open(ctx, store, repository.Options{Trust: d.trust, Cache: manifestCache(d.url)})
	if err == nil {
		err = repo.MayDecide(signer, time.Now())
	}
	if err != nil {
		end()
		return nil, nil, err
	}
	p = d.pruner(store, repo, flags.who())
	p.Signer = signer
	return p, end, nil
}

// pruner carries decisions out in the name of somebody.
func (d *deployment) pruner(store storage.Storage, repo *repository.Repository, by string) *repository.Pruner {
	p := &repository.Pruner{Store: store, Repo: repo, Instance: d.instance(), Tool: "openim-dr " + version, By: by}
	p.ObjectHolds = d.config != nil && d.config.Repository.ObjectHolds
	return p
}

// stateSigner reads the key that signs what becomes of points.
func (d *deployment) stateSigner(file string) (seal.Signer, error) {
	key := d.stateKey(file)
	if key.IsZero() {
		return seal.Signer{}, usage("sign what becomes of points", "there is no signing key").Hint("give one whose public half has the role pruner: --signing-key FILE")
	}
	return readSigner(key)
}

// stateKey names the key that signs what becomes of points.
func (d *deployment) stateKey(file string) secret.Ref {
	switch {
	case file != "":
		return secret.Ref("file:" + file)
	case d.config == nil:
		return ""
	case d.config.Retention != nil && !d.config.Retention.SigningKey.IsZero():
		return d.config.Retention.SigningKey
	default:
		return d.config.Repository.SigningKey
	}
}
