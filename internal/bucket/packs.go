package bucket

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/openim-dr/openim-dr/internal/repository"
)

const (
	// packMembers bounds packs of tiny objects, so that segments, which wait
	// for the packs that they name, do not pile up in memory.
	packMembers = 64 << 10
	// packCommits is how many finished packs may wait for the storage's word
	// while the next one is being written.
	packCommits = 2
)

// pace is how often a mirror makes things durable. What a killed run had in its
// open pack, or since its last checkpoint, is lost: at first both are small, and
// later each a share of what has been fetched.
type pace struct {
	// packSize is what packs of small objects aim at, leastPack what the first
	// ones do.
	packSize, leastPack int64
	// checkpoint is how many bytes are fetched at least between two checkpoints.
	checkpoint int64
}

var defaultPace = pace{packSize: 64 << 20, leastPack: 4 << 20, checkpoint: 8 << 20}

const (
	packShare       = 1. / 128
	checkpointShare = 1. / 96
)

// pack returns what the next pack aims at after so many bytes.
func (p pace) pack(packed int64) int64 {
	return min(p.packSize, max(p.leastPack, int64(packShare*float64(packed))))
}

// between returns how many bytes there are between two checkpoints. A share has
// no upper bound, so that a run has few checkpoints however long it takes.
func (p pace) between(fetched int64) int64 {
	return max(p.checkpoint, int64(checkpointShare*float64(fetched)))
}

// packBook knows the packs of a run until the last segment that names them is
// written: it stays small however many packs a run makes.
type packBook struct {
	mu    sync.Mutex
	packs map[string]*packState
}

type packState struct {
	ref       repository.PackRef
	committed chan struct{}
	entries   int64 // entries in slots and segments that are not written yet
}

func newPackBook() *packBook { return &packBook{packs: map[string]*packState{}} }

// use notes that an entry in pack id is on its way into the index.
func (b *packBook) use(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.packs[id] == nil {
		b.packs[id] = &packState{committed: make(chan struct{})}
	}
	b.packs[id].entries++
}

// commit notes that a pack is durable.
func (b *packBook) commit(ref repository.PackRef) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if state := b.packs[ref.ID]; state != nil {
		state.ref = ref
		close(state.committed)
	}
}

// forget notes that n entries of a pack stand in a segment that is written.
func (b *packBook) forget(id string, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if state := b.packs[id]; state != nil {
		if state.entries -= n; state.entries == 0 {
			delete(b.packs, id)
		}
	}
}

// find returns a committed pack.
func (b *packBook) find(id string) (repository.PackRef, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	state := b.packs[id]
	if state == nil || state.ref.ID == "" {
		return repository.PackRef{}, false
	}
	return state.ref, true
}

// wait returns when a pack is committed.
func (b *packBook) wait(ctx context.Context, id string) error {
	b.mu.Lock()
	state := b.packs[id]
	b.mu.Unlock()
	if state == nil {
		return fmt.Errorf("pack %s is not being written", id)
	}
	select {
	case <-state.committed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// packed is the content of a small object on its way into a pack.
type packed struct {
	slot       *slot
	stored     []byte
	compressed bool
	release    func() // of the budget
}

// packer writes small objects into packs, one pack at a time.
type packer struct {
	draft *repository.SourceDraft
	book  *packBook
	pace  pace
	in    chan packed
	flush chan struct{} // asks for the pack that is open to be ended
}

func newPacker(draft *repository.SourceDraft, book *packBook, pace pace) *packer {
	return &packer{draft: draft, book: book, pace: pace, in: make(chan packed), flush: make(chan struct{}, 1)}
}

// ask wants the open pack ended. It never waits.
func (p *packer) ask() {
	select {
	case p.flush <- struct{}{}:
	default:
	}
}

// run packs until in is closed.
func (p *packer) run(ctx context.Context) error {
	commits, ctx := errgroup.WithContext(ctx)
	commits.SetLimit(packCommits)
	err := p.pack(ctx, func(pack *repository.PackWriter) {
		commits.Go(func() error {
			ref, err := pack.Commit()
			if err != nil {
				pack.Abort()
				return err
			}
			p.book.commit(ref)
			return nil
		})
	})
	if failed := commits.Wait(); failed != nil {
		return failed
	}
	return err
}

func (p *packer) pack(ctx context.Context, commit func(*repository.PackWriter)) error {
	var open *repository.PackWriter
	members, packed := 0, int64(0)
	end := func() {
		if open != nil {
			packed += open.Size()
			commit(open)
			open, members = nil, 0
		}
	}
	for {
		select {
		case <-ctx.Done():
			if open != nil {
				open.Abort()
			}
			return ctx.Err()
		case <-p.flush:
			end()
		case object, more := <-p.in:
			if !more {
				end()
				return nil
			}
			var err error
			if open, err = p.add(ctx, open, object); err != nil {
				if open != nil {
					open.Abort()
				}
				return err
			}
			if members++; members >= packMembers || open.Size() >= p.pace.pack(packed) {
				end()
			}
		}
	}
}

// add puts one object into the open pack, or into a new one.
func (p *packer) add(ctx context.Context, open *repository.PackWriter, object packed) (*repository.PackWriter, error) {
	defer object.release()
	if open == nil {
		var err error
		if open, err = p.draft.CreatePack(ctx); err != nil {
			return nil, err
		}
	}
	extent, err := open.Add(object.slot.entry.Key, object.compressed, int64(len(object.stored)), bytes.NewReader(object.stored))
	if err != nil {
		return open, err
	}
	object.slot.entry.Pack, object.slot.entry.Extent = open.ID(), extent
	p.book.use(open.ID())
	close(object.slot.done)
	return open, nil
}
