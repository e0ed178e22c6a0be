package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/source"
)

// compareAccounts holds the accounts of the target against those that were
// restored. Others that the target has are its own affair, and so is the
// account that restores.
func (c *comparison) compareAccounts(ctx context.Context, conn *sql.Conn, r *restoration) error {
	if len(r.accounts) == 0 {
		return nil
	}
	definitions := catalog{conn: conn, server: c.client.server}
	accounts, err := definitions.accounts(ctx)
	if err != nil {
		return err
	}
	there := accountsByName(accounts)
	found, before := int64(0), len(c.result.Differences)
	for _, a := range r.accounts {
		if a.fate == fateOwn || a.fate == fateOmit {
			continue
		}
		if c.compareAccount(a, there[a.accountName]) {
			found++
		}
	}
	c.result.Items = append(c.result.Items, source.Compared{Name: "accounts", Objects: found, Equal: len(c.result.Differences) == before})
	return nil
}

// compareAccount reports whether the account is there at all.
func (c *comparison) compareAccount(a *accountPlan, got *accountDefinition) bool {
	name := "account " + a.String()
	switch {
	case got == nil:
		c.differ(name, "missing", "account", "")
		return false
	case a.kept && !a.equals(got):
		c.result.Deviations = append(c.result.Deviations, a.keptDeviation())
		return true
	}
	c.compareText(name, a.identity(), got.identity())
	want, have := rights(a.grants), rights(got.parsedGrants())
	lost, more := without(want, have), without(have, want)
	if len(lost)+len(more) > 0 {
		c.differ(name, "grants", shorten(lost), shorten(more))
	}
	return true
}

// without returns what is in the first list and not in the second.
func without(list, others []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(others, s) })
}

// shorten names a few of many.
func shorten(list []string) string {
	const few = 5
	if more := len(list) - few; more > 0 {
		return strings.Join(list[:few], "; ") + fmt.Sprintf("; and %d more", more)
	}
	return strings.Join(list, "; ")
}
