package bucket

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/openim-dr/openim-dr/internal/repository"
)

func (r *restorer) readPacks(ctx context.Context, packs <-chan packJob, jobs chan<- job) error {
	for {
		p, more, err := receive(ctx, packs)
		if err != nil || !more {
			return err
		}
		left, err := r.readPack(ctx, p, jobs)
		if r.plan.damage.Tolerates(err) {
			err = r.readAlone(ctx, p.ref, left, jobs)
		}
		if err != nil {
			return err
		}
	}
}

// readAlone has objects read one by one that a damaged pack could not be read up
// to: those are lost that the damage itself hits.
func (r *restorer) readAlone(ctx context.Context, ref repository.PackRef, entries []repository.IndexEntry, jobs chan<- job) error {
	for _, e := range entries {
		if err := send(ctx, jobs, job{entry: e, pack: ref, member: e.Key}); err != nil {
			return err
		}
	}
	return nil
}

// readPack reads a pack in order, up to the last object that is wanted. After an
// error it returns the objects that are left.
func (r *restorer) readPack(ctx context.Context, p packJob, jobs chan<- job) (left []repository.IndexEntry, err error) {
	slices.SortFunc(p.entries, func(a, b repository.IndexEntry) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	left = p.entries
	pack, err := r.from.OpenPack(ctx, p.ref)
	if err != nil {
		return left, err
	}
	defer func() { err = errors.Join(err, pack.Close()) }()
	for len(left) > 0 {
		member, content, err := pack.Next()
		if errors.Is(err, io.EOF) {
			return left, corrupt(left[0], "the pack ends before it")
		}
		if err != nil {
			return left, fmt.Errorf("read pack %s: %w", p.ref.ID, err)
		}
		for len(left) > 0 && left[0].Ordinal == member.Ordinal {
			if left[0].Key != member.Key || left[0].Members != 1 {
				return left, corrupt(left[0], "another object stands in its place")
			}
			if err := r.readMember(ctx, left[0], content, jobs); err != nil {
				return left, err
			}
			left = left[1:]
		}
		if len(left) > 0 && left[0].Ordinal < member.Ordinal {
			return left, corrupt(left[0], "the pack has no such member")
		}
	}
	return nil, nil
}

// readMember verifies an object and hands it to the uploads.
func (r *restorer) readMember(ctx context.Context, e repository.IndexEntry, from io.Reader, jobs chan<- job) error {
	if e.Size > memberLimit {
		return corrupt(e, "it is larger than a member may be")
	}
	weight := e.Size + overhead
	if err := r.budget.Acquire(ctx, weight); err != nil {
		return err
	}
	held := &holding{r.budget, weight}
	defer held.release()
	content := make([]byte, e.Size)
	if _, err := io.ReadFull(&verifier{from: from, sum: sha256.New(), want: e}, content); err != nil {
		return err
	}
	return send(ctx, jobs, job{entry: e, content: content, release: held.hand()})
}
