package verify

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

// crossCheck holds what every database of the set refers to against all buckets
// of it, and what the objects' names say against what was read of them.
func (r *run) crossCheck(ctx context.Context) error {
	if err := r.checkReferences(ctx); err != nil {
		return err
	}
	r.checkContents()
	return nil
}

func (r *run) checkReferences(ctx context.Context) error {
	if r.References == nil {
		return nil
	}
	files := r.ofPhase(source.Files)
	for _, s := range r.ofPhase(source.Databases) {
		querier, ok := s.Restorer.(source.Querier)
		if !ok || len(files) == 0 || !r.comparable(s.Name, files) {
			continue
		}
		references, err := r.References(ctx, s.Name, querier.Query)
		if err != nil {
			return fmt.Errorf("find out what %s refers to: %w", s.Name, err)
		}
		references = r.within(s.Name, references, files)
		if len(references) == 0 {
			r.note("%s: nothing in it is known to refer to objects: it was not held against the buckets", s.Name)
			continue
		}
		if err := r.checkDatabase(ctx, s.Name, querier.Query, references, files); err != nil {
			return err
		}
	}
	return nil
}

// comparable reports whether the buckets were captured after the database: only
// then has everything that it refers to to be there.
func (r *run) comparable(database string, files []Scratch) bool {
	rows := r.captured(database)
	for _, f := range files {
		if r.captured(f.Name).Started.Before(rows.Started) {
			r.note("%s was captured before %s: what the rows refer to may have come later, and was not held against the buckets; drill a point that holds both", f.Name, database)
			return false
		}
	}
	return true
}

// captured is what the proof says of a source of the set.
func (r *run) captured(name string) repository.ProofPoint {
	at := slices.IndexFunc(r.proof.Set, func(p repository.ProofPoint) bool { return p.Source == name })
	if at < 0 {
		return repository.ProofPoint{}
	}
	return r.proof.Set[at]
}

// within leaves out references into buckets of sources that are not drilled.
func (r *run) within(database string, references []source.Reference, files []Scratch) []source.Reference {
	return slices.DeleteFunc(references, func(reference source.Reference) bool {
		name, _, named := strings.Cut(reference.Bucket, "/")
		if !named || slices.ContainsFunc(files, func(f Scratch) bool { return f.Name == name }) {
			return false
		}
		r.note("%s: what refers to %s was not looked at, since that is not in this drill", database, reference.Bucket)
		return true
	})
}

func (r *run) checkDatabase(ctx context.Context, name string, ask source.Ask, references []source.Reference, files []Scratch) error {
	var objects int64
	for _, f := range files {
		objects += r.captured(f.Name).Summary.Objects
	}
	t := newTruth(objects)
	for _, f := range files {
		enumerator, ok := f.Restorer.(source.Enumerator)
		if !ok {
			continue
		}
		if err := t.enumerate(ctx, r.reader(f.Name), enumerator, r.MustBeReferred); err != nil {
			return fmt.Errorf("list the objects of %s: %w", f.Name, err)
		}
	}
	for _, reference := range references {
		if err := t.ask(ctx, name, reference, ask); err != nil {
			return err
		}
	}
	if t.checks[checkMissing] == nil {
		r.note("%s refers to no object: nothing was held against the buckets", name)
	}
	t.orphans()
	r.take(t, name)
	return nil
}

// checkContents enters what the witness of the comparison has seen.
func (r *run) checkContents() {
	if r.Content == nil || len(r.ofPhase(source.Files)) == 0 {
		return
	}
	differing := map[string]bool{}
	for _, d := range r.outcome.Differences {
		differing[d.Object] = true
	}
	checked, bad, objects := r.Content.Result()
	if checked == 0 {
		return
	}
	t := newTruth(0)
	t.contents(checked, bad, objects, differing)
	r.take(t, "")
}

func (r *run) take(t *truth, database string) {
	for _, result := range t.results(database, r.Tolerance) {
		r.proof.Truth = append(r.proof.Truth, result)
		if told := t.checks[result.Check].told; len(told) > 0 && result.Check != checkOrphan {
			r.outcome.Told[result.Check] = append(r.outcome.Told[result.Check], told...)
		}
	}
}

// ofPhase returns the scratch servers of one phase.
func (r *run) ofPhase(phase source.Phase) []Scratch {
	var of []Scratch
	for _, s := range r.Scratch {
		if s.Phase == phase {
			of = append(of, s)
		}
	}
	return of
}

// reader reads one source's part of its point.
func (r *run) reader(name string) *repository.SourceReader {
	for _, m := range r.Set.Members {
		if m.Source == name {
			from, _ := repository.SourceOf(r.repo.Unlock(m.Point, r.Identities), name)
			return from
		}
	}
	return nil
}
