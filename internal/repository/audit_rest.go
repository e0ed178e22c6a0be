package repository

import (
	"context"
	"errors"
	"strconv"

	"github.com/openim-dr/openim-dr/internal/storage"
)

// numbered are the series of which no member is ever left out or removed alone.
// (A pruner may remove old terms of a lease.)
var numbered = map[place]func(owner string, n int64) string{
	placeRecord:     func(_ string, n int64) string { return recordPath(int(n)) },
	placeState:      func(owner string, n int64) string { return stateDir + owner + "/" + strconv.FormatInt(n, 10) + ".json" },
	placeCheckpoint: func(owner string, n int64) string { return checkpointPath(owner, int(n)) },
	placeRestore:    RestorePath,
}

// longestSeries bounds the numbers that are looked for: a name can be planted.
const longestSeries = 1 << 20

type seriesName struct {
	place place
	owner string
}

// holes finds members of numbered series that are gone although a later one is
// there.
func (a *Audit) holes(ctx context.Context) error {
	all := map[seriesName]map[int64]bool{}
	_ = a.entries(func(_ int, _ string, at located) error { // fn fails never
		if numbered[at.place] == nil || at.signature || at.number > longestSeries {
			return nil
		}
		name := seriesName{at.place, at.owner}
		if all[name] == nil {
			all[name] = map[int64]bool{}
		}
		all[name][at.number] = true
		return nil
	})
	for name, numbers := range all {
		for n := int64(1); len(numbers) > 0; n++ {
			if numbers[n] {
				delete(numbers, n)
				continue
			}
			if err := a.hole(ctx, numbered[name.place](name.owner, n)); err != nil {
				return err
			}
		}
	}
	return nil
}

// hole reports a member that is not there. The listing may have passed its name
// before it was made.
func (a *Audit) hole(ctx context.Context, path string) error {
	if a.skipped[path] {
		return nil
	}
	_, err := a.store.Stat(ctx, path)
	if errors.Is(err, storage.ErrNotExist) {
		a.found.add(Finding{Kind: Missing, File: path, Expected: "a member of a series whose later members are there", Got: noSuchFile}, "")
		return nil
	}
	return err
}

// AuditRest looks at what nothing has asked for.
func (a *Audit) AuditRest() {
	if a.only != "" {
		return
	}
	_ = a.entries(func(i int, path string, at located) error { // fn fails never
		switch kind := a.restOf(i, path, at); kind {
		case Surplus:
			a.found.add(Finding{Kind: Surplus, File: path, Expected: "no file of such a name", Got: bytesText(a.inv.sizes[i])}, "")
		case Unreferenced:
			a.found.add(Finding{Kind: Unreferenced, File: path, Expected: "a point or a run that needs it", Got: bytesText(a.inv.sizes[i])}, "")
		default:
		}
		return nil
	})
}

// restOf says what a file is that nothing has asked for.
func (a *Audit) restOf(i int, path string, at located) Damage {
	switch {
	case a.inv.marked(i):
		return Intact
	case at.place == nowhere:
		return Surplus
	case at.signature:
		return a.lonely(i, path)
	}
	switch at.place {
	case placePointFile:
		if p, isPoint := a.points[at.owner]; isPoint && !p.judged {
			return Intact // nobody knows whether its manifest names it
		}
		return a.useless(i)
	case placeWrap, placeSegment, placeSegmentPacks, placePack:
		return a.useless(i)
	default:
		return Intact // it means something by itself
	}
}

// lonely is a signature whose file is not there: a crash between the two leaves
// it.
func (a *Audit) lonely(i int, path string) Damage {
	file := path[:len(path)-len(signatureSuffix)]
	if a.inv.has(file) || a.skipped[file] {
		return Intact
	}
	return a.useless(i)
}

// useless is what no point needs, unless a run may be alive that has made it.
func (a *Audit) useless(i int) Damage {
	if a.liveSince > 0 && a.inv.created[i] >= a.liveSince {
		return Intact
	}
	return Unreferenced
}
