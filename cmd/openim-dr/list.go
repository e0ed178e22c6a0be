package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/status"
)

type listFlags struct {
	source string
	stream string
	proven bool
	all    bool
	cost   bool
}

// listed is one line of list.
type listed struct {
	status.Point
	// Cost is there on request.
	Cost *listedCost `json:"cost,omitempty"`
}

func newList(a *app) *cobra.Command {
	var flags listFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the recovery points",
		Long: `List the recovery points, oldest first. No private key is needed.

A point whose signature is not that of a trusted writer is listed as not
trusted, and is no default of a restore. A point is proven when every one of its
sources was restored from it in a drill that passed and left nothing out, and the
date is that of the drill that has been passed the longest ago. Manifests that cannot be read are
reported as an error after the list of the others.

--cost says what each point takes of the storage: OWN are the files of the point
itself; SHARED are packs and parts of the index that it needs, whoever else does;
EXCLUSIVE is what would be freed if this point alone were swept, and, where the
configuration has prices, what that costs in a month. It lists the whole repository
and reads a few plain files of every point, so it takes longer.

` + exitCodes,
		Example: `  openim-dr list
  openim-dr list --source main --stream hourly-db
  openim-dr list --proven
  openim-dr list --all --cost
  openim-dr list --repository gs://openim-backups/prod --trust RWQ...=writer,operator -o json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.list(cmd.Context(), flags) },
	}
	cmd.Flags().StringVar(&flags.source, "source", "", "only points that hold the source `NAME`")
	cmd.Flags().StringVar(&flags.stream, "stream", "", "only points of the stream `NAME`")
	cmd.Flags().BoolVar(&flags.proven, "proven", false, "only points that drills have shown to come back")
	cmd.Flags().BoolVar(&flags.all, "all", false, "also forgotten, shredded and quarantined points")
	cmd.Flags().BoolVar(&flags.cost, "cost", false, "what each point takes of the storage, and what that costs")
	return cmd
}

func (a *app) list(ctx context.Context, flags listFlags) error {
	d, err := a.deployment()
	if err != nil {
		return err
	}
	repo, end, err := d.open(ctx, a)
	if err != nil {
		return err
	}
	defer end()
	listing, err := repo.List(ctx)
	if err != nil {
		return err
	}
	shown := []listed{}
	for _, p := range listing.Points {
		if flags.wants(p) {
			shown = append(shown, listed{Point: status.PointOf(p)})
		}
	}
	if !flags.cost {
		a.out.print(shown, func(p *page) { writeList(p, shown) })
		return a.reportBroken(listing.Broken)
	}
	costs, err := repo.Costs(ctx, listing)
	if err != nil {
		return err
	}
	addCosts(shown, costs, d.pricing())
	a.out.print(shown, func(p *page) {
		writeListWithCosts(p, shown)
		writeCosts(p, costs, d.pricing())
	})
	for _, path := range costs.Unknown {
		a.log.Warn("what a file leads to is not known, and is in no point's cost", "file", path)
	}
	return a.reportBroken(listing.Broken)
}

func (f listFlags) wants(p *repository.Point) bool {
	_, holds := p.SourceNamed(f.source)
	switch {
	case f.source != "" && !holds,
		f.stream != "" && p.Stream != f.stream,
		f.proven && p.Proven == nil,
		!f.all && (p.Forgotten != nil || p.Shredded != nil || p.Quarantined != ""):
		return false
	default:
		return true
	}
}

// date is enough for a table; show has the time.
func date(t *time.Time) string {
	if t == nil {
		return "no"
	}
	return t.UTC().Format(time.DateOnly)
}

func writeList(p *page, points []listed) {
	if len(points) == 0 {
		p.line("no points")
		return
	}
	rows := make([][]any, 0, len(points))
	for _, l := range points {
		rows = append(rows, []any{l.ID, utc(l.Time), l.Stream, strings.Join(l.Sources, ", "), size(l.Stored), date(l.ProvenAt), strings.Join(l.Notes(), ", ")})
	}
	p.table([]column{left("point"), left("time"), left("stream"), left("sources"), number("stored"), left("proven"), left("notes")}, rows)
}

func writeListWithCosts(p *page, points []listed) {
	if len(points) == 0 {
		p.line("no points")
		return
	}
	rows := make([][]any, 0, len(points))
	for _, l := range points {
		rows = append(rows, slices.Concat([]any{l.ID, utc(l.Time), l.Stream, strings.Join(l.Sources, ", ")}, l.costCells(), []any{strings.Join(l.Notes(), ", ")}))
	}
	p.table([]column{left("point"), left("time"), left("stream"), left("sources"), number("own"), number("shared"), number("exclusive"), number("per month"), left("notes")}, rows)
}

// reportBroken fails where manifests are damaged, and warns of those that are
// only too new.
func (a *app) reportBroken(broken []repository.Broken) error {
	damaged := slices.DeleteFunc(slices.Clone(broken), func(b repository.Broken) bool { return fault.KindOf(b.Err) != fault.Corrupt })
	for _, b := range broken {
		a.log.Warn("point cannot be read", "point", b.ID, "error", b.Err.Error())
	}
	if len(damaged) == 0 {
		return nil
	}
	return fault.New(fault.Corrupt, "list points", "%s cannot be read; the first is that of %s: %w", plural(int64(len(damaged)), "manifest"), damaged[0].ID, damaged[0].Err).
		Hint("the other points are not affected; a copy of the repository may hold the manifest")
}
