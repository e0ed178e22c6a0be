package restore

import (
	"context"
	"fmt"
	"io"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

// Extract writes one object of a point to w, and needs no target. The request
// names it as the only thing to be included of the only source. What w has got
// is right only if there is no error.
func Extract(ctx context.Context, repo *repository.Repository, r Request, w io.Writer) error {
	if len(r.Sources) != 1 || len(r.Select[r.Sources[0].Name].Include) != 1 {
		return fault.New(fault.Usage, "write an object to standard output", "it takes exactly one object").
			Hint("--include SOURCE/BUCKET/KEY")
	}
	s := r.Sources[0]
	extractor, ok := s.Restorer.(source.Extractor)
	if !ok {
		return fault.New(fault.Usage, "write an object to standard output", "source %s is of kind %s: only objects of buckets can be had so", s.Name, s.Kind)
	}
	listing, err := repo.List(ctx)
	if err != nil {
		return err
	}
	point, err := r.For(listing, r.Instance, s.Name)
	if err != nil {
		return err
	}
	p := &Plan{request: r}
	p.judge(point, s.Name)
	if refused := p.Refused(); refused != nil {
		return refused
	}
	from, _ := repository.SourceOf(repo.Unlock(point, r.Identities), s.Name)
	if err := from.CheckKeys(ctx); err != nil {
		return err
	}
	if err := extractor.Extract(ctx, from, r.Select[s.Name].Include[0], w); err != nil {
		return fmt.Errorf("point %s: %w", point.Point, err)
	}
	return nil
}
