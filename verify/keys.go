package verify

import (
	"context"
	"fmt"

	"github.com/openim-dr/openim-dr/internal/repository"
)

// drillKeys tries the identities at hand on the keys of every point that is kept.
func (r *run) drillKeys(ctx context.Context) error {
	keys, warnings, err := repository.KeyDrill(ctx, r.repo, r.Set.listing, r.Identities)
	if err != nil {
		return fmt.Errorf("try the keys: %w", err)
	}
	r.proof.Keys = keys
	r.outcome.Warnings = append(r.outcome.Warnings, warnings...)
	return nil
}
