package verify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/restore"
)

// Scratch is a scratch server that stands for one source.
type Scratch struct {
	restore.Source
	Server repository.ProofServer
	// Versions has the older versions of objects restored, too.
	Versions bool
	// Notes are put into the proof, and so is LeftOut, which says what of the point
	// is not restored and keeps the drill from proving it; empty: all is.
	Notes   []string
	LeftOut string
}

// Drill is what a drill is made of.
type Drill struct {
	ID       string
	Instance string
	Tool     string
	Set      *Set
	Into     string // "docker" or "given"
	Scratch  []Scratch
	// Store is the repository's storage, and Trust whose signatures count.
	Store      storage.Reader
	Trust      seal.Trust
	Identities []seal.Identity
	// Share is the part of the objects that is restored; 0 is all.
	Share float64
	// References finds out what a database refers to, and MustBeReferred which
	// objects something has to refer to. Content recomputes what the objects' names
	// say of them.
	References     func(ctx context.Context, database string, ask source.Ask) ([]source.Reference, error)
	MustBeReferred func(key string) bool
	Content        Content
	Tolerance      Tolerance
	Assertions     []Assertion
	RPO, RTO       time.Duration // objectives; 0: none
	// Watch returns when something has become of the scratch servers that ends the
	// drill, or ctx ends.
	Watch func(ctx context.Context) error
	// Look says at once whether something has become of them: a restore that fails
	// may have met it before Watch has looked.
	Look func(ctx context.Context) error
	// Clear takes back what was restored, since the servers stay.
	Clear bool
	Show  progress.Reporter
	Log   *slog.Logger
}

// Content is a witness that recomputes hashes which objects have in their names.
type Content interface {
	source.Witness
	// Result returns how many objects were checked, how many are not what their
	// names say, and the first of those as "bucket/key".
	Result() (checked, bad int64, objects []string)
}

// Outcome is what a drill has shown. What stands beside the proof may name
// objects and accounts, and belongs into no plain file of a repository.
type Outcome struct {
	Proof       repository.Proof
	Differences []Difference
	Deviations  []restore.Deviation
	// Told lists what is bad about references and contents, by check.
	Told     map[string][]string
	Warnings []string
	// Err is why the drill has not passed; nil if it has.
	Err error
	// Uncleared is why servers that stay still hold what was restored. It takes
	// nothing from the proof.
	Uncleared error
}

// Difference is a difference of one source.
type Difference struct {
	Source string `json:"source"`
	source.Difference
}

// Run restores the set into the scratch servers, compares, and puts everything
// that it was shown to the proof. An error means that there was no drill: it was
// refused, or could not begin. A drill that fails is an Outcome.
func (d *Drill) Run(ctx context.Context) (*Outcome, error) {
	r := &run{Drill: d, meter: new(repository.Meter), began: time.Now(), outcome: &Outcome{Told: map[string][]string{}}}
	r.proof = &r.outcome.Proof
	var err error
	r.repo, err = repository.Open(ctx, d.Store, repository.Options{Trust: d.Trust, Meter: r.meter})
	if err != nil {
		return nil, err
	}
	r.fillProof()
	err = r.watched(ctx, r.steps)
	if refused := (refusal{}); errors.As(err, &refused) {
		return nil, refused.error
	}
	if d.Clear && r.result != nil {
		r.outcome.Uncleared = r.clear(ctx)
	}
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	r.end(ctx, err)
	return r.outcome, nil
}

// refusal is an error before anything was restored: there was no drill.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

// run is one drill on its way.
type run struct {
	*Drill
	repo    *repository.Repository
	meter   *repository.Meter
	began   time.Time
	plan    *restore.Plan
	result  *restore.Result
	watches map[string]*source.Stopwatch // by source
	outcome *Outcome
	proof   *repository.Proof
}

// steps are what a drill does, one after the other. Everything after the
// restore is done even if something before it was found wrong: the proof is to
// say all that is known.
func (r *run) steps(ctx context.Context) error {
	if err := r.restore(ctx); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{r.crossCheck, r.assert, r.testItself, r.drillKeys} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// restore restores the set by the very code of openim-dr restore, comparison
// included.
func (r *run) restore(ctx context.Context) (err error) {
	request := restore.Request{
		Choice: r.Set.choice(), Instance: r.Instance, Identities: r.Identities, Select: r.want(), ID: r.ID, Show: r.Show, Log: r.Log,
	}
	for _, s := range r.Scratch {
		request.Sources = append(request.Sources, s.Source)
	}
	r.plan, err = restore.MakePlan(ctx, r.repo, request)
	switch {
	case err != nil && (ctx.Err() != nil || fault.KindOf(err) == fault.Corrupt):
		return err
	case err != nil:
		return refusal{err}
	}
	if err := r.plan.Refused(); err != nil {
		return refusal{refusedScratch(err)}
	}
	r.result, err = r.plan.Carry(ctx)
	r.takeResult()
	if r.result != nil && r.compared() && fault.KindOf(err) == fault.Corrupt {
		return r.unread() // what differs is in the proof
	}
	return err
}

// unread fails where a scratch server did not deliver what it had taken: that says
// something about the server, and nothing about the point.
func (r *run) unread() error {
	for _, d := range r.outcome.Differences {
		if d.What == unreadable {
			return fmt.Errorf("%w: that of %s does not deliver what was restored into it: %s", errScratch, d.Source, d.Got)
		}
	}
	return nil
}

// unreadable is what a comparison calls an object that is listed and cannot be
// read.
const unreadable = "unreadable"

// sampled reports whether a share of the objects is restored.
func (r *run) sampled() bool {
	return r.Share > 0 && r.Share < 1 && len(r.ofPhase(source.Files)) > 0
}

// clearTime bounds the clearing of the servers, which is also tried after a
// cancellation.
const clearTime = 15 * time.Minute

// clear takes back what was restored.
func (r *run) clear(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), clearTime)
	defer cancel()
	var failed error
	for _, s := range r.Scratch {
		clearer, ok := s.Restorer.(source.Clearer)
		if !ok {
			continue
		}
		if from, plan := r.plan.Of(s.Name); plan != nil {
			if err := clearer.Clear(ctx, from, plan); err != nil {
				failed = errors.Join(failed, fmt.Errorf("clear the scratch server of %s: %w", s.Name, err))
			}
		}
	}
	return failed
}

// refusedScratch says what it means for a drill that a target is refused. None
// of the flags that a restore takes would help.
func refusedScratch(err error) error {
	e := fault.New(fault.Refused, "drill", "%w", err)
	return e.Hint("a drill restores into servers that are empty, from points that are trusted")
}

// compared reports whether every source was compared, however that ended.
func (r *run) compared() bool { return r.result.RTOSeconds > 0 }

// want says what is wanted of each source: all, or a share of the objects.
func (r *run) want() map[string]source.Selection {
	wanted := map[string]source.Selection{}
	r.watches = map[string]*source.Stopwatch{}
	var sample *source.Sample
	if r.sampled() {
		sample = source.NewSample(r.Share)
	}
	for _, s := range r.Scratch {
		watch := new(source.Stopwatch)
		r.watches[s.Name] = watch
		selection := source.Selection{Stopwatch: watch}
		if s.Phase == source.Files {
			selection.Sample, selection.Versions = sample, s.Versions
			if r.Content != nil {
				selection.Witness = r.Content
			}
		}
		wanted[s.Name] = selection
	}
	return wanted
}

// watched runs do, and ends it as soon as the scratch servers are no longer what
// they have to be.
func (r *run) watched(ctx context.Context, do func(context.Context) error) error {
	if r.Watch == nil {
		return r.looked(ctx, do(ctx))
	}
	ctx, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := r.Watch(ctx); err != nil && ctx.Err() == nil {
			cancel(fmt.Errorf("%w: %w", errScratch, err))
		}
	}()
	err := do(ctx)
	cause := context.Cause(ctx)
	cancel(nil)
	<-ended
	if err != nil && errors.Is(cause, errScratch) {
		return cause
	}
	return r.looked(ctx, err)
}

// lookTime bounds one look at the scratch servers.
const lookTime = time.Minute

// looked replaces the error of a step by what has become of the scratch servers,
// if that is why.
func (r *run) looked(ctx context.Context, err error) error {
	if err == nil || r.Look == nil || fault.KindOf(err) == fault.Corrupt || errors.As(err, new(refusal)) || errors.Is(err, context.Canceled) {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookTime)
	defer cancel()
	if seen := r.Look(ctx); seen != nil {
		return fmt.Errorf("%w: %w", errScratch, seen)
	}
	return err
}

// errScratch: a scratch server has died, or runs out of what it needs.
var errScratch = errors.New("a scratch server failed")
