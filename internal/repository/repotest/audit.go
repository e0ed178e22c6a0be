package repotest

import (
	"context"
	"errors"
	"testing"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// Audit runs every step of an audit over a storage and returns what was found.
func Audit(t testing.TB, store storage.Reader, trust seal.Trust, heads ...repository.ExpectedHead) []repository.Finding {
	t.Helper()
	a, err := repository.NewAudit(store, repository.AuditOptions{Options: repository.Options{Trust: trust}})
	if err != nil {
		t.Fatal(err)
	}
	if err := RunAudit(t.Context(), a, heads...); err != nil {
		t.Fatal(err)
	}
	found, _ := a.Findings()
	return found
}

// RunAudit runs every step of an audit.
func RunAudit(ctx context.Context, a *repository.Audit, heads ...repository.ExpectedHead) error {
	if err := a.List(ctx, func(int64) {}); err != nil {
		return err
	}
	if ok, err := a.OpenRecord(ctx); err != nil || !ok {
		return err
	}
	nothing := func(int64) {}
	if err := a.AuditPoints(ctx, repository.PointsShow{Begin: nothing, Done: nothing, Bytes: nothing}); err != nil {
		return err
	}
	if err := errors.Join(a.AuditDecisions(ctx), a.AuditChains(ctx, heads), a.AuditRuns(ctx)); err != nil {
		return err
	}
	a.AuditRest()
	return nil
}
