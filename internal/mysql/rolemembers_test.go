package mysql

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// Whoever has a role has it still after a restore has replaced the role, also where
// one was killed between taking the old one away and giving the new one.
func TestMembersOfARoleThatIsReplaced(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	origin, other := env.StartMySQL(t), env.StartMySQL(t)
	to := other.Open(t)
	run(t, origin.Open(t), "CREATE DATABASE app", "CREATE ROLE r, s", "GRANT SELECT ON app.* TO r", "GRANT INSERT ON app.* TO s")
	point := repotest.New(t).Capture(t, "main", Kind, withAccounts(t, origin, nil, "app"))
	s := withAccounts(t, other, func(s *Settings) { s.ExistingAccounts = ReplaceExisting }, "app")
	killed := errors.New("killed")
	tests := map[string]struct {
		after func(r *accountPlan) []string // that the process was killed had it done this; nil: it is not killed
	}{
		"not killed":                   {nil},
		"before anything is done":      {func(*accountPlan) []string { return nil }},
		"when the old role is dropped": {func(r *accountPlan) []string { return []string{"DROP ROLE " + r.quoted()} }},
		"when the new role is there": {func(r *accountPlan) []string {
			return []string{"DROP ROLE " + r.quoted(), r.statement(barred)}
		}},
		"when some of it was given back": {func(r *accountPlan) []string {
			return []string{"DROP ROLE " + r.quoted(), r.statement(barred), "GRANT r TO admin WITH ADMIN OPTION"}
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			run(t, to, "DROP USER IF EXISTS r, s, admin, plain, none", "CREATE ROLE r, s", "CREATE USER admin, plain, none",
				"GRANT r TO admin WITH ADMIN OPTION", "GRANT r, s TO plain", "SET DEFAULT ROLE r, s TO plain")
			var kept []byte
			attempt := source.Attempt{ID: "20261127T000000Z-abcd", Keep: func(_ context.Context, data []byte) error {
				if kept = data; tt.after == nil {
					return nil
				}
				return killed
			}}
			want := source.Selection{Include: []string{"r@*", "s@*"}, Attempt: attempt}
			members := func() map[string]string {
				shown := shownAccounts(t, to)
				delete(shown, "`r`@`%`")
				delete(shown, "`s`@`%`")
				return shown
			}
			before := members()
			plan := planOf(t, s, point, want)
			_, err := s.Restore(t.Context(), point, plan, progress.Discard)
			if tt.after == nil && err != nil || tt.after != nil && !errors.Is(err, killed) {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, members()); diff != "" {
				t.Errorf("before that is noted something is done (-was +is):\n%s", diff)
			}
			if tt.after != nil {
				for _, a := range plan.Private.(*restoration).accounts {
					if a.User == "r" {
						run(t, to, tt.after(a)...)
					}
				}
				want.Attempt = source.Attempt{ID: attempt.ID, Resumed: true, Kept: kept}
				plan = planOf(t, s, point, want)
				requireEqual(t, carryOut(t, s, point, plan))
			}
			if diff := cmp.Diff(before, members()); diff != "" {
				t.Errorf("who has had roles (-was +is):\n%s", diff)
			}
		})
	}
}
