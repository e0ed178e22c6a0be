package restore

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

// Choice says which points make the restore set.
type Choice struct {
	Point string // id, unique prefix, latest-proven, or latest, which is also the default
	// At chooses of each source the newest state at or before that time; zero:
	// the newest of all.
	At time.Time
	// MaxAge refuses a set that is older; 0 is without end.
	MaxAge time.Duration
	// Points names them, by source: those of a restore that is resumed.
	Points map[string]string
}

// For returns the point that one source is restored from: the one that is named,
// or the newest eligible one of the instance that holds the source; with
// latest-proven, of those that were shown to bring it back. Without an instance it
// is that of the newest point.
func (c Choice) For(listing *repository.Listing, instance, name string) (*repository.Point, error) {
	if id, ok := c.Points[name]; ok {
		return named(listing, id, name)
	}
	if c.Point != "" && c.Point != repository.Latest && c.Point != repository.LatestProven {
		return named(listing, c.Point, name)
	}
	latest, err := listing.Find(repository.Latest)
	if err != nil {
		return nil, err
	}
	instance = cmp.Or(instance, latest.Instance)
	if c.Point == repository.LatestProven {
		return newestProven(listing, instance, name)
	}
	if point := listing.NewestAt(instance, name, c.At); point != nil {
		return point, nil
	}
	if oldest := listing.Oldest(instance, name); !c.At.IsZero() && oldest != nil {
		first := earliestAt(stateOf(oldest, name))
		return nil, fault.New(fault.Usage, "choose a point for source "+name, "none was finished by %s; the oldest was at %s", utc(c.At), first).
			Hint("the earliest state that there is: openim-dr restore --at %s --source %s --plan; openim-dr list shows the points", first, name)
	}
	none := fault.New(fault.Usage, "choose a point for source "+name, "no complete point of instance %q holds it", instance)
	ours := func(p *repository.Point) bool { return p.Instance == instance }
	if other := latest.Instance; !slices.ContainsFunc(listing.Points, ours) {
		return nil, none.Hint("the newest point is of instance %q: correct instance in the configuration; or restore what belongs to another one by its id: openim-dr restore %s --allow instance", other, latest.Point)
	}
	return nil, none.
		Hint("openim-dr list --all shows what each point holds; --source NAME restores only some sources")
}

// newestProven returns the newest point that was shown to bring a source back.
func newestProven(listing *repository.Listing, instance, name string) (*repository.Point, error) {
	if point := listing.NewestProven(instance, name); point != nil {
		return point, nil
	}
	return nil, fault.New(fault.Refused, "choose a proven point for source "+name, "no point of instance %q that holds it was ever shown to come back", instance).
		Hint("openim-dr list shows which points are proven; latest takes the newest, proven or not")
}

// named returns a point that is named, provided that it holds the source.
func named(listing *repository.Listing, ref, name string) (*repository.Point, error) {
	point, err := listing.Find(ref)
	if err != nil {
		return nil, err
	}
	if _, ok := point.SourceNamed(name); !ok {
		return nil, fault.New(fault.Usage, "restore source "+name, "point %s does not hold it; it holds %s", point.Point, strings.Join(sourceNames(point), ", ")).
			Hint("leave the source out with --source, or choose another point")
	}
	return point, nil
}

// stateOf is when the state of a source was captured, at the latest.
func stateOf(p *repository.Point, name string) time.Time {
	s, _ := p.SourceNamed(name)
	return s.Ended
}

// earliestAt is the first time that --at finds a state by: it takes no fractions
// of a second, and before the end of the next second the state was not finished.
func earliestAt(finished time.Time) string {
	return utc(finished.Add(time.Second - time.Nanosecond).Truncate(time.Second))
}

func utc(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func sourceNames(p *repository.Point) []string {
	var names []string
	for _, s := range p.Sources {
		names = append(names, s.Name)
	}
	return names
}

// compareAges refuses a set that is older than was asked for, and says what it
// means that files are older than the databases that refer to them.
func (p *Plan) compareAges() {
	for _, m := range p.Set {
		age := time.Duration(m.AgeSeconds * float64(time.Second)).Round(time.Second)
		if limit := p.request.MaxAge; limit > 0 && age > limit {
			p.Refusals = append(p.Refusals, Refusal{
				Code: "age", Target: "point " + m.Point, Why: fmt.Sprintf("its state of %s is %s old, and no more than %s is allowed", m.Source, age, limit),
				Try: "leave --max-age out if nothing newer is to be had",
			})
		}
	}
	for i, files := range p.Set {
		for j, rows := range p.Set {
			if p.parts[i].source.Phase != source.Files || p.parts[j].source.Phase != source.Databases || !files.Time.Before(rows.Time) {
				continue
			}
			p.warn("%s is of %s, before %s of %s: what was written to it in between is not in the point, though %s may refer to it; "+
				"where the live buckets still stand, restore %s alone and add to them only what they lack: --source %s --missing-only",
				files.Source, utc(files.Time), rows.Source, utc(rows.Time), rows.Source, rows.Source, files.Source)
		}
	}
}
