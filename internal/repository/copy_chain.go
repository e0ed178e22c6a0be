package repository

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/openim-dr/openim-dr/internal/storage"
)

// explain leaves an entry in the copy's log: what came, and which links of chains the
// copy does not hold, so that a check of it tells what was left out from what was
// taken away.
func (c *copying) explain(ctx context.Context) error {
	missing, err := c.notCopied(ctx)
	if err != nil {
		return err
	}
	if len(c.result.Copied) == 0 && len(missing) == 0 {
		return nil
	}
	_, err = AppendLog(ctx, c.to, c.copy, c.options.Signer, LogEntry{
		Time: c.options.clock()(), By: c.options.By, Tool: c.options.Tool, Action: LogCopy, Reason: "from repository " + c.home.record.Repository,
		Points: c.result.Copied, Files: c.result.Files, Bytes: c.result.Bytes, NotCopied: missing,
	})
	return err
}

// notCopied follows the chains of the points that the copy holds back to their
// beginnings, and returns the links that neither it holds nor an earlier entry of its
// log, nor a sweeping of its own, explains.
func (c *copying) notCopied(ctx context.Context) ([]NotCopied, error) {
	known, err := c.explained(ctx)
	if err != nil {
		return nil, err
	}
	held := map[string]bool{}
	for _, id := range slices.Concat(c.result.Copied, c.result.Present) {
		held[id] = true
	}
	home := map[string]*Point{}
	for _, p := range c.points.Points {
		home[p.Point] = p
		held[p.Point] = held[p.Point] || c.there.has(manifestPath(p.Point))
	}
	var missing []NotCopied
	for _, p := range c.points.Points {
		if !held[p.Point] || p.Untrusted != nil {
			continue
		}
		for link := p.Previous; link != nil && !held[link.Point] && !known[link.Point]; {
			swept, err := c.linkAtHome(ctx, home, link.Point)
			if err != nil {
				return nil, err
			}
			if swept == nil {
				break // it is missing at home as well, and a check says so there
			}
			known[link.Point] = true
			missing = append(missing, NotCopied{link.Point, *swept})
			link = swept.Previous
		}
	}
	slices.SortFunc(missing, func(a, b NotCopied) int { return cmp.Compare(a.Point, b.Point) })
	return missing, nil
}

// explained are the points whose links the copy's own log or states hold.
func (c *copying) explained(ctx context.Context) (map[string]bool, error) {
	known := map[string]bool{}
	err := c.copy.Log(ctx, func(e *LogEntry) error {
		for _, n := range e.NotCopied {
			known[n.Point] = true
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	decided, err := c.to.Dirs(ctx, stateDir, storage.Span{})
	if err != nil {
		return nil, fmt.Errorf("list states of the copy: %w", err)
	}
	for _, id := range decided {
		if c.there.has(manifestPath(id)) || !isID(id) {
			continue
		}
		swept, err := c.copy.sweptRecord(ctx, id)
		if err != nil {
			return nil, err
		}
		known[id] = known[id] || swept != nil
	}
	return known, nil
}

// linkAtHome returns the link of a point that is at home, or was until it was swept.
func (c *copying) linkAtHome(ctx context.Context, home map[string]*Point, id string) (*Swept, error) {
	if p := home[id]; p != nil {
		return sweptOf(p), nil
	}
	if !isID(id) {
		return nil, nil // no point has that name
	}
	return c.home.sweptRecord(ctx, id)
}
