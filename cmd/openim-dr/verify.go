package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/openim"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/restore"
	"github.com/openim-dr/openim-dr/verify"
)

type verifyFlags struct {
	at         string
	unproven   bool
	rotation   bool
	sources    []string
	identities []string
	scratch    string
	sample     string
	report     string
	from       []string
}

func newVerify(a *app) *cobra.Command {
	var flags verifyFlags
	cmd := &cobra.Command{
		Use:   "verify [POINT]",
		Short: "Drill a restore into scratch servers, and write down the proof",
		Long: `Drill a restore: a recovery point is restored into scratch servers by the very code
of openim-dr restore, every table, object and document is compared with what was
captured, and what came out is written down as a signed proof in the repository.
POINT is an id, the beginning of one that fits no other, or latest, which is the
default: of each source the newest state. --unproven takes the newest point
without a proof, and --rotation the monthly point whose turn it is, so that each is
proven once a quarter.

The scratch servers are containers that the drill starts and removes (docker), or
those of a configured target (given), which have to be empty and are emptied again.
A server that holds data, or is a configured source or another target, is refused
whatever the flags.

Besides, the drill holds what the databases refer to against the buckets, asks the
configured assertions, tries the keys on every point that is kept, and damages
private copies of small parts of the points to see that its own checks find it. A
drill whose own check finds nothing has failed.

` + fromHelp + ` A drill reads from that one place alone, and
its proof is written there: a copy is proven by drills of its own.

--sample restores only a share of the objects, drawn by chance. What is sampled
proves nothing, and the proof says how sure it makes.

The drill needs a private key (verify.identity, or --identity), and signs by
verify.signingKey, whose public half needs the role drill. Exit code 0: passed;
3: something is not right. Proofs of failure are kept too.

` + exitCodes,
		Example: `  openim-dr verify
  openim-dr verify --unproven --report proof.html
  openim-dr verify 20261123T020000Z-k3vq --source main --identity drill.key
  openim-dr verify --scratch given --sample 5%
  openim-dr verify --from eu`,
		Args: arguments(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.verify(cmd.Context(), args, flags) },
	}
	f := cmd.Flags()
	f.StringVar(&flags.at, "at", "", "of each source the newest state at or before `TIME`, such as 2026-11-23T01:30+08:00")
	f.BoolVar(&flags.unproven, "unproven", false, "the newest point that has no proof")
	f.BoolVar(&flags.rotation, "rotation", false, "the monthly point whose turn it is")
	f.StringArrayVar(&flags.sources, "source", nil, "only the source `NAME`; may be repeated")
	f.StringArrayVar(&flags.identities, "identity", nil, "`FILE` with a private key, instead of verify.identity; may be repeated")
	f.StringVar(&flags.scratch, "scratch", "", "`docker|given` instead of verify.scratch")
	f.StringVar(&flags.sample, "sample", "", "restore only this `SHARE` of the objects, such as 5%")
	f.StringArrayVar(&flags.from, "from", nil, "read from the copy `NAME`, a URL, home or any; may be repeated")
	f.StringVar(&flags.report, "report", "", "also write a page for people to `FILE.html`, however it ends")
	return cmd
}

func (a *app) verify(ctx context.Context, args []string, flags verifyFlags) (err error) {
	d, err := a.deployment()
	if err != nil {
		return err
	}
	account, err := a.openDrillAccount(d, flags)
	if err != nil {
		return err
	}
	defer func() { err = account.close(ctx, err) }()
	o := &drillOrder{app: a, deployment: d, flags: flags, settings: d.verifySettings()}
	if err := o.read(ctx, args); err != nil {
		return err
	}
	end, err := o.open(ctx)
	if err != nil {
		return err
	}
	defer end()
	account.points(o.set.Points())
	if err := account.before(ctx); err != nil {
		return err
	}
	outcome, err := o.drill(ctx)
	if outcome == nil {
		return err
	}
	// What was found is told, whatever came after it.
	account.drilled(o, outcome)
	a.out.print(account.report, func(p *page) { writeDrill(p, outcome, o.records) })
	return errors.Join(outcome.Err, outcome.Uncleared, err)
}

// errDrillTime: the drill took longer than it may.
var errDrillTime = fmt.Errorf("the drill took longer than verify.timeLimit: %w", context.DeadlineExceeded)

// drillOrder is a drill as it was ordered.
type drillOrder struct {
	app        *app
	deployment *deployment
	flags      verifyFlags
	settings   config.Verify

	which      verify.Which
	share      float64
	scratch    string // docker or given
	identities []seal.Identity
	signer     seal.Signer

	store   storage.Storage
	repo    *repository.Repository
	listing *repository.Listing
	set     *verify.Set
	id      string   // of the drill
	records []string // paths of the proof
}

// verifySettings are those of the configuration, or the defaults.
func (d *deployment) verifySettings() config.Verify {
	if d.config == nil || d.config.Verify == nil {
		return config.Verify{}
	}
	return *d.config.Verify
}

// read reads the command line and the keys.
func (o *drillOrder) read(ctx context.Context, args []string) (err error) {
	o.which = verify.Which{Unproven: o.flags.unproven, Rotation: o.flags.rotation, Sources: o.flags.sources}
	if c := o.deployment.config; c != nil {
		for _, s := range c.Sources {
			o.which.Known = append(o.which.Known, s.Name)
		}
	}
	if err := o.readWhich(args); err != nil {
		return err
	}
	o.share = float64(o.settings.Sample) / 100
	if o.flags.sample != "" {
		var share quantity.Percent
		if err := share.UnmarshalText([]byte(o.flags.sample)); err != nil || share <= 0 || share > 100 {
			return usage("read flags", "--sample %s is not a share such as 5%%", o.flags.sample)
		}
		o.share = float64(share) / 100
	}
	switch o.scratch = firstOf(o.flags.scratch, o.settings.Scratch, config.ScratchDocker); o.scratch {
	case config.ScratchDocker, config.ScratchGiven:
	default:
		return usage("read flags", "--scratch takes %s or %s", config.ScratchDocker, config.ScratchGiven)
	}
	return o.readKeys(ctx)
}

// readWhich reads which point is meant, by one of the ways to say so.
func (o *drillOrder) readWhich(args []string) error {
	ways := 0
	for _, given := range []bool{len(args) > 0, o.flags.at != "", o.flags.unproven, o.flags.rotation} {
		if given {
			ways++
		}
	}
	if ways > 1 {
		return usage("choose a point", "POINT, --at, --unproven and --rotation exclude each other")
	}
	if len(args) > 0 {
		o.which.Choice = restore.Choice{Point: args[0]}
	}
	if o.flags.at == "" {
		return nil
	}
	at, err := parseTime(o.flags.at)
	if err != nil {
		return err
	}
	o.which.Choice = restore.Choice{At: at}
	return nil
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// readKeys reads what opens the points and what signs the proof.
func (o *drillOrder) readKeys(ctx context.Context) (err error) {
	if len(o.flags.identities) > 0 {
		o.identities, err = o.app.readIdentities(ctx, o.flags.identities)
	} else {
		o.identities, err = readDrillIdentity(o.settings.Identity)
	}
	if err != nil {
		return err
	}
	key := o.settings.SigningKey
	if key.IsZero() && o.deployment.config != nil {
		key = o.deployment.config.Repository.SigningKey
	}
	if key.IsZero() {
		return usage("sign the proof", "there is no signing key").
			Hint("verify.signingKey names one; openim-dr keygen signing makes one, and trustedSigners gives it the role drill")
	}
	o.signer, err = readSigner(key)
	return err
}

// open opens the repository and chooses the set.
func (o *drillOrder) open(ctx context.Context) (end func(), err error) {
	if len(o.flags.from) > 0 {
		return o.openFrom(ctx)
	}
	if o.store, end, err = o.app.openStorage(ctx, o.deployment.url, mustExist); err != nil {
		return nil, err
	}
	if err := o.choose(ctx); err != nil {
		end()
		return nil, err
	}
	return end, nil
}

// openFrom chooses among the places that --from names.
func (o *drillOrder) openFrom(ctx context.Context) (end func(), err error) {
	p, err := o.app.openPlaces(ctx, o.deployment, o.flags.from)
	if err != nil {
		return nil, err
	}
	from, err := p.choose(ctx, func(listing *repository.Listing) error {
		_, err := verify.Choose(listing, o.deployment.instance(), o.which, time.Now())
		return err
	})
	if err == nil {
		o.store, o.deployment.url = from.store, from.url
		err = o.choose(ctx)
	}
	if err != nil {
		p.end()
		return nil, err
	}
	return p.end, nil
}

func (o *drillOrder) choose(ctx context.Context) (err error) {
	if o.repo, err = repository.Open(ctx, o.store, repository.Options{Trust: o.deployment.trust}); err != nil {
		return err
	}
	now := time.Now()
	if err := o.repo.MayProve(o.signer, now); err != nil {
		return err
	}
	if o.listing, err = o.repo.List(ctx); err != nil {
		return err
	}
	o.set, err = verify.Choose(o.listing, o.deployment.instance(), o.which, now)
	return err
}

// instance is whose points are drilled.
func (o *drillOrder) instance() string { return o.set.Members[0].Point.Instance }

const defaultDrillTime = 12 * time.Hour

func (o *drillOrder) timeLimit() time.Duration {
	if o.settings.TimeLimit > 0 {
		return o.settings.TimeLimit.Duration()
	}
	return defaultDrillTime
}

func (o *drillOrder) leaseLength() time.Duration {
	if o.deployment.config == nil {
		return 0
	}
	return o.deployment.config.Repository.LeaseLength.Duration()
}

// drill drills within the time limit, under the lease of drills.
func (o *drillOrder) drill(ctx context.Context) (*verify.Outcome, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeLimit(), errDrillTime)
	defer cancel()
	ctx, lease, err := repository.AcquireLease(ctx, o.store, o.instance(), repository.DrillLease(o.instance()), o.leaseLength())
	if err != nil {
		return nil, err
	}
	defer lease.Release()
	return o.run(ctx)
}

// run drills, and writes the proof.
func (o *drillOrder) run(ctx context.Context) (_ *verify.Outcome, err error) {
	o.id = repository.NewDrillID(time.Now())
	servers, err := o.startScratch(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, servers.close(ctx)) }()
	assertions, err := o.assertions(servers)
	if err != nil {
		return nil, err
	}
	show, stop := o.app.progress()
	defer stop()
	drill := &verify.Drill{
		ID: o.id, Instance: o.deployment.instance(), Tool: "openim-dr " + version,
		Set: o.set, Into: o.scratch, Clear: servers.docker == nil, Scratch: servers.scratch, Store: o.store, Trust: o.deployment.trust, Identities: o.identities,
		Share: o.share, References: o.references, MustBeReferred: o.mustBeReferred(), Content: new(openim.Content),
		Tolerance:  verify.Tolerance{Missing: o.settings.Tolerate.Missing, Damaged: o.settings.Tolerate.Damaged},
		Assertions: assertions, Watch: servers.watch, Look: servers.look, Show: show, Log: o.app.log,
	}
	if c := o.deployment.config; c != nil {
		drill.RPO, drill.RTO = c.Objectives.RPO.Duration(), c.Objectives.RTO.Duration()
	}
	outcome, err := drill.Run(ctx)
	if err != nil {
		return nil, err
	}
	return outcome, o.writeProof(ctx, outcome)
}

// proofTime bounds the writing of the proof, which is also tried after a
// cancellation: a failed drill is to be seen.
const proofTime = time.Minute

func (o *drillOrder) writeProof(ctx context.Context, outcome *verify.Outcome) error {
	if errors.Is(context.Cause(ctx), repository.ErrLeaseLost) {
		return nil // another drill is under way; the outcome says so
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), proofTime)
	defer cancel()
	if err := repository.AppendProof(ctx, o.store, o.repo, o.signer, o.set.Points(), outcome.Proof); err != nil {
		return fault.New(fault.KindOf(err), "write the proof", "%w", err).On(o.deployment.url)
	}
	for _, point := range o.set.Points() {
		o.records = append(o.records, repository.ProofPath(point, outcome.Proof.Drill))
	}
	return nil
}
