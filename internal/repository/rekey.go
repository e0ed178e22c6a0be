package repository

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// parallelWraps bounds the wraps that are made, read back or removed at once.
// Each waits for the storage far longer than it computes.
const parallelWraps = 32

// RekeyOptions say who shall be able to open what is stored, and who shall not.
type RekeyOptions struct {
	// Identities open the keys as they are.
	Identities []seal.Identity
	Add        []seal.Recipient
	Remove     []seal.Recipient
	// Operators are those for whom new points are wrapped. Who is removed is none
	// of them, or the next run would wrap for them again.
	Operators []seal.Recipient
	// Drill is whom drills restore as, or nil. It is no operator, and is added to
	// the keys of the newest points of each source alone.
	Drill       *seal.Recipient
	DrillPoints int
	// Record, where set, is called once when something is to be changed: before
	// the first wrap is removed, so that whoever finds one missing finds why, or
	// at the end. What it is given is what was done until then.
	Record func(context.Context, RekeyResult) error
	Show   progress.Reporter
}

// RekeyResult is what a rekeying did.
type RekeyResult struct {
	Keys    int64    // run keys that there are
	Wrapped int64    // wraps that were made
	Removed int64    // wraps that were deleted
	Added   []string // fingerprints
	Dropped []string // fingerprints
	// Strange counts keys that no identity at hand opens and that no point needs:
	// a failed run's, or what somebody has planted. They are left as they are.
	Strange int64
	// Late counts keys that were wrapped for the removed while this went on: by
	// runs that began with a configuration that still lists them.
	Late int64
}

// Rekey wraps every run key and the digest key for who is added, and then
// deletes the wraps of who is removed. It may be interrupted anywhere, and
// repeated: until every key is wrapped for all that are added nothing is
// deleted, so that each key is opened by the old holders or by the new.
//
// Of a wrap that this very run has not written, nobody can tell without the
// identity whether it opens: who can write to the bucket may have put it there.
// So a wrap is deleted only where another operator's is left that an identity at
// hand has opened, or that this run has written and read back.
func Rekey(ctx context.Context, store storage.ReadWriter, deleter storage.Deleter, repo *Repository, o RekeyOptions) (RekeyResult, error) {
	r := &rekeying{store: store, deleter: deleter, options: o, keys: map[string]*rekeyed{}, stuck: map[string]error{}}
	for _, a := range o.Add {
		r.result.Added = append(r.result.Added, a.Fingerprint())
	}
	for _, d := range o.Remove {
		r.result.Dropped = append(r.result.Dropped, d.Fingerprint())
	}
	if err := o.check(store.URL()); err != nil {
		return r.result, err
	}
	listing, err := repo.List(ctx)
	if err != nil {
		return r.result, err
	}
	r.chooseKeys(listing)
	return r.result, r.run(ctx)
}

// check refuses what could not end well.
func (o RekeyOptions) check(target string) error {
	refuse := func(format string, args ...any) *fault.Error {
		return fault.New(fault.Refused, "rekey", format, args...).On(target)
	}
	for _, d := range o.Remove {
		if has(o.Operators, d.Fingerprint()) || o.Drill != nil && o.Drill.Fingerprint() == d.Fingerprint() {
			return refuse("the configuration still lists %s: the next run would wrap its keys for it again", d.Fingerprint()).
				Hint("remove it from the configuration first, let every process that backs up start anew with that, and then run this again")
		}
		if has(o.Add, d.Fingerprint()) {
			return fault.New(fault.Usage, "rekey", "%s is to be added and to be removed", d.Fingerprint()).On(target)
		}
	}
	all := slices.Concat(o.Operators, o.Add)
	for _, a := range all {
		if a.PostQuantum() != all[0].PostQuantum() {
			return fault.New(fault.Usage, "rekey", "some recipients are post-quantum and some are not, and within one repository they are of one class").On(target).
				Hint("make the new key of the class of the others: openim-dr keygen operator, with --pq or without it")
		}
	}
	return nil
}

func has(recipients []seal.Recipient, fingerprint string) bool {
	return slices.ContainsFunc(recipients, func(r seal.Recipient) bool { return r.Fingerprint() == fingerprint })
}

// rekeying is one run of Rekey.
type rekeying struct {
	store   storage.ReadWriter
	deleter storage.Deleter
	options RekeyOptions

	needed  func(key string) bool // by a point
	drilled map[string]bool       // keys of the points that drills restore

	mu       sync.Mutex
	result   RekeyResult
	keys     map[string]*rekeyed // that were looked at, by id
	unopened []error             // keys that a point needs and no identity at hand opens
	recorded bool
	stuck    map[string]error // wraps that the storage does not let go
}

// rekeyed is what was found of one key; it is no secret.
type rekeyed struct {
	remove []storage.Info // wraps of the removed
	safe   bool           // another operator's wrap was seen to be right
	others int            // other operators' wraps, right or not
}

// chooseKeys says which keys matter, and which of them drills need.
func (r *rekeying) chooseKeys(listing *Listing) {
	needed := map[string]bool{}
	for _, p := range listing.Points {
		if p.Untrusted != nil || p.Shredded != nil {
			continue // it may name anything, or needs nothing any more
		}
		for _, key := range p.runKeys() {
			needed[key] = true
		}
	}
	// Nobody knows what a manifest that cannot be read names.
	r.needed = func(key string) bool { return key == digestKeyID || needed[key] || len(listing.Broken) > 0 }
	r.drilled = map[string]bool{digestKeyID: true}
	left := map[string]int{}
	for _, p := range slices.Backward(listing.Points) {
		if !p.Eligible() {
			continue
		}
		for _, s := range p.Sources {
			if of := p.Instance + "\n" + s.Name; s.Complete && left[of] < r.options.DrillPoints {
				left[of]++
				for _, key := range p.runKeys() {
					r.drilled[key] = true
				}
			}
		}
	}
}

// rounds is how often keys are looked for that have come meanwhile.
const rounds = 3

func (r *rekeying) run(ctx context.Context) error {
	for round := range rounds {
		found, err := surveyKeys(ctx, r.store)
		if err != nil {
			return err
		}
		todo := r.todo(found)
		if round > 0 {
			r.countLate(todo)
		}
		if len(todo) == 0 {
			break
		}
		if err := r.round(ctx, todo); err != nil {
			return err
		}
	}
	if !r.recorded && r.result.Wrapped > 0 {
		if err := r.record(ctx); err != nil {
			return err
		}
	}
	return errors.Join(r.whatIsStuck(), r.whoIsLate())
}

// todo returns the keys that were not looked at yet. The digest key comes last:
// without it nothing that is opened can be compared.
func (r *rekeying) todo(found []wrappedKey) []wrappedKey {
	var todo []wrappedKey
	for _, k := range found {
		if r.keys[k.id] == nil {
			todo = append(todo, k)
		}
	}
	return todo
}

func (r *rekeying) countLate(todo []wrappedKey) {
	for _, k := range todo {
		if slices.ContainsFunc(r.options.Remove, func(d seal.Recipient) bool { return k.has(d.Fingerprint()) }) {
			r.result.Late++
		}
	}
}

// round wraps all of the keys, and only then removes.
func (r *rekeying) round(ctx context.Context, keys []wrappedKey) error {
	task := r.options.Show.Task("keys", progress.Objects, int64(len(keys)))
	defer task.Done()
	err := each(ctx, keys, func(ctx context.Context, k wrappedKey) error {
		defer task.Add(1)
		return r.wrapKey(ctx, k)
	})
	if err == nil {
		err = r.refuse(keys)
	}
	if err != nil {
		return err
	}
	return r.removeFrom(ctx, keys)
}

// each calls do for all keys, many at once.
func each(ctx context.Context, keys []wrappedKey, do func(context.Context, wrappedKey) error) error {
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(parallelWraps)
	for _, k := range keys {
		if within.Err() != nil {
			break
		}
		group.Go(func() error { return do(within, k) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// refuse says why nothing may be removed, if so.
func (r *rekeying) refuse(keys []wrappedKey) error {
	if n := len(r.unopened); n > 0 {
		kind := fault.Usage
		if len(r.options.Remove) > 0 {
			kind = fault.Refused
		}
		return fault.New(kind, "rekey", "%d of %d keys were not opened, and nothing was removed: %w", n, len(r.keys), errors.Join(r.unopened[:min(n, mostNamed)]...)).
			On(r.store.URL()).Hint("give further identities that open them with --identity FILE; without --add and --remove rekey says whose they are")
	}
	var last, unseen []string
	for _, k := range keys {
		switch state := r.keys[k.id]; {
		case state == nil || state.safe || len(state.remove) == 0:
		case state.others == 0:
			last = append(last, shortKey(k.id))
		default:
			unseen = append(unseen, shortKey(k.id))
		}
	}
	if len(last) > 0 {
		return fault.New(fault.Refused, "rekey", "no other operator has a wrap of %d keys, and nothing was removed: %s", len(last), someOf(last)).
			On(r.store.URL()).Hint("add another operator in the same command: --add RECIPIENT")
	}
	if len(unseen) > 0 {
		return fault.New(fault.Refused, "rekey", "of %d keys no wrap that would be left was seen to open, and nothing was removed: %s", len(unseen), someOf(unseen)).
			On(r.store.URL()).Hint("give the identity of an operator who stays, too: --identity FILE")
	}
	return nil
}

// record leaves the signed entry in the log, once.
func (r *rekeying) record(ctx context.Context) error {
	if r.recorded = true; r.options.Record == nil {
		return nil
	}
	return r.options.Record(ctx, r.result)
}

// removeFrom deletes the wraps of the removed, those of the digest key last.
func (r *rekeying) removeFrom(ctx context.Context, keys []wrappedKey) error {
	if !slices.ContainsFunc(keys, func(k wrappedKey) bool { state := r.keys[k.id]; return state != nil && len(state.remove) > 0 }) {
		return nil
	}
	if !r.recorded {
		if err := r.record(ctx); err != nil {
			return err
		}
	}
	run := slices.DeleteFunc(slices.Clone(keys), func(k wrappedKey) bool { return k.id == digestKeyID })
	if err := each(ctx, run, r.remove); err != nil {
		return err
	}
	return each(ctx, slices.DeleteFunc(slices.Clone(keys), func(k wrappedKey) bool { return k.id != digestKeyID }), r.remove)
}

func (r *rekeying) remove(ctx context.Context, k wrappedKey) error {
	state := r.state(k.id)
	if state == nil {
		return nil
	}
	for _, wrap := range state.remove {
		err := r.deleter.Delete(ctx, wrap)
		r.mu.Lock()
		switch {
		case errors.Is(err, storage.ErrProtected) || errors.Is(err, storage.ErrDenied):
			r.stuck[wrap.Name], err = err, nil
		case err == nil:
			r.result.Removed++
		}
		r.mu.Unlock()
		if err != nil {
			return fmt.Errorf("remove wrap of key %s: %w", shortKey(k.id), err)
		}
	}
	return nil
}

func (r *rekeying) state(key string) *rekeyed {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.keys[key]
}

// whatIsStuck says that somebody who was to be removed can go on reading.
func (r *rekeying) whatIsStuck() error {
	if len(r.stuck) == 0 {
		return nil
	}
	var first error
	for _, err := range r.stuck {
		if first == nil || errors.Is(err, storage.ErrDenied) {
			first = err
		}
	}
	kind, hint := fault.Failed, "run this again when the storage's retention of these files has ended"
	if errors.Is(first, storage.ErrDenied) {
		kind, hint = fault.Usage, "run this with credentials that may delete"
	}
	return fault.New(kind, "rekey", "the storage keeps %d wraps, and whoever was removed (%s) still opens these keys with them: %w",
		len(r.stuck), strings.Join(r.result.Dropped, ", "), first).On(r.store.URL()).
		Hint("%s. New points are not wrapped for them, if the configuration does not list them; what a key could once read must be taken as read in any case", hint)
}

func (r *rekeying) whoIsLate() error {
	if r.result.Late == 0 {
		return nil
	}
	return fault.New(fault.Busy, "rekey", "%d keys were wrapped for who is removed while this went on: a run is at work that began with the old configuration", r.result.Late).
		On(r.store.URL()).Hint("change the configuration everywhere, let that run end, and run this again")
}
