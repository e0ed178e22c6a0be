package retention

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

// outsideTimeout ends the work at one source: a prune does not wait for a cluster.
const outsideTimeout = 5 * time.Minute

// Outside is what one source keeps outside the repository, such as snapshots of
// volumes, for points that are gone.
type Outside struct {
	Source  string   `json:"source"`
	Points  []string `json:"points"` // that are gone, or are swept now
	Objects int      `json:"objects"`
	Bytes   int64    `json:"bytes"` // as the keeper counts
	// Kept counts what belongs to points that stay, and to runs that may live.
	Kept int `json:"kept"`
	// Removed is how much of it was removed.
	Removed int `json:"removed"`
	// Warning says why nothing is known or not all was removed. It is for a later
	// prune to do: what is outside harms no point.
	Warning string `json:"warning,omitempty"`

	listed []source.Outlying
}

// planOutside lists what goes when some points are swept. Things are listed before
// the repository is asked about their points: see repository.Standing.
func planOutside(ctx context.Context, p *repository.Pruner, sources map[string]source.Outsider, swept []string) []*Outside {
	plans := []*Outside{}
	for name, s := range sources {
		plan := &Outside{Source: name, Points: []string{}}
		limited, cancel := context.WithTimeout(ctx, outsideTimeout)
		err := plan.look(limited, p, s, swept)
		cancel()
		if err != nil {
			*plan = Outside{Source: name, Points: []string{}, Warning: "what it keeps outside the repository is not known: " + fault.OneLine(err.Error())}
		}
		if plan.Objects+plan.Kept > 0 || err != nil {
			plans = append(plans, plan)
		}
	}
	slices.SortFunc(plans, func(a, b *Outside) int { return strings.Compare(a.Source, b.Source) })
	return plans
}

func (o *Outside) look(ctx context.Context, p *repository.Pruner, s source.Outsider, swept []string) error {
	listed, err := s.Outside(ctx, p.Instance, p.Repo.Record().Repository)
	if err != nil {
		return err
	}
	stands := map[string]bool{}
	for _, thing := range listed {
		stays, known := stands[thing.Point]
		if !known {
			if stays, err = standing(ctx, p, thing.Point, swept); err != nil {
				return err
			}
			stands[thing.Point] = stays
		}
		if stays {
			o.Kept++
			continue
		}
		o.Objects, o.Bytes, o.listed = o.Objects+1, o.Bytes+thing.Bytes, append(o.listed, thing)
		if !known {
			o.Points = append(o.Points, thing.Point)
		}
	}
	slices.Sort(o.Points)
	return nil
}

// standing is false for what is none of our ids, too, where nothing is deleted.
func standing(ctx context.Context, p *repository.Pruner, id string, swept []string) (bool, error) {
	if _, err := repository.PointTime(id); err != nil {
		return true, nil // somebody else's mark
	}
	if slices.Contains(swept, id) {
		return false, nil
	}
	return p.Repo.Standing(ctx, id)
}

// removeOutside removes what was planned and is of points that are gone by now. Each
// is asked about again, for a sweep may have left a point standing (invariant 6).
// Points go before what belongs to them, so that none refers to what is not there.
func removeOutside(ctx context.Context, p *repository.Pruner, sources map[string]source.Outsider, planned []*Outside) []*Outside {
	agreed := map[string]bool{}
	for _, o := range planned {
		for _, thing := range o.listed {
			agreed[o.Source+"\x00"+thing.Name] = true
		}
	}
	if len(agreed) == 0 {
		return nil
	}
	done := planOutside(ctx, p, sources, nil)
	for _, o := range done {
		o.listed = slices.DeleteFunc(o.listed, func(thing source.Outlying) bool { return !agreed[o.Source+"\x00"+thing.Name] })
		if len(o.listed) > 0 && ctx.Err() == nil {
			o.remove(ctx, sources[o.Source])
		}
	}
	return done
}

func (o *Outside) remove(ctx context.Context, s source.Outsider) {
	ctx, cancel := context.WithTimeout(ctx, outsideTimeout)
	defer cancel()
	var err error
	if o.Removed, err = s.RemoveOutside(ctx, o.listed); err != nil {
		o.Warning = "not all that it keeps outside the repository was removed: " + fault.OneLine(err.Error())
	}
}
