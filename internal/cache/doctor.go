package cache

import (
	"context"
	"fmt"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/source"
)

// checkUsable is the check of Examine.
const checkUsable = "caches.usable"

// Examine finds out whether keys could be deleted. It deletes none.
func (c *Cache) Examine(ctx context.Context) []source.Finding {
	conn, err := c.open(ctx)
	if err != nil {
		f := source.Finding{Check: checkUsable, Severity: source.Error, Evidence: err.Error()}
		if e, ok := fault.Outermost(err); ok {
			f.Remedy = e.Try
		}
		return []source.Finding{f}
	}
	defer conn.close()
	return []source.Finding{{
		Check: checkUsable, Severity: source.OK,
		Evidence: fmt.Sprintf("cache %s (%s) answers, %s, and stale keys could be deleted from databases %v", c.settings.Name, c.settings.Address, conn.version, c.settings.databases()),
	}}
}
