package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/verify"
)

type checkFlags struct {
	readData string
	heads    []string
}

func newCheck(a *app) *cobra.Command {
	var flags checkFlags
	cmd := &cobra.Command{
		Use:   "check [POINT]",
		Short: "Check that every stored file is there and is what was written",
		Long: `Check the repository, or what one POINT of it needs, without a private key and
without changing anything. POINT is an id, the beginning of one that fits no
other, or latest.

One listing of the repository is held against all manifests: their signatures,
the chain of every stream, and each file that a point leads to, with its size
and, where the storage keeps one, its CRC32C. A directory keeps none: there the
listing tells sizes alone.

--read-data also reads the files and compares their SHA-256. --read-data=1/30
reads a thirtieth, another one each day (UTC): thirty days in a row read
everything.

--expect-head says what was once the last point of a stream, as an earlier
check, a notification or show has printed it and somebody has kept elsewhere. A
stream whose end was cut off is noticed so.

Findings are missing, truncated, altered, surplus (no such file belongs there),
signature, chain, and unreferenced: a file that no point and no live run needs.
Failed runs leave such files, and so do the checkpoints of one that took long; the
next prune deletes them, and they are no reason for exit code 3. Whether the keys
at hand open what is stored, and whether it can be restored, a check cannot tell.

` + exitCodes,
		Example: `  openim-dr check
  openim-dr check latest --read-data
  openim-dr check --read-data=1/30 -o json
  openim-dr check --expect-head nightly=412:5f0c…`,
		Args: arguments(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.check(cmd.Context(), strings.Join(args, ""), flags)
		},
	}
	cmd.Flags().StringVar(&flags.readData, "read-data", "", "read the files, all or a `SHARE` that changes daily: 1/30")
	cmd.Flags().Lookup("read-data").NoOptDefVal = "all"
	cmd.Flags().StringArrayVar(&flags.heads, "expect-head", nil, "require that a stream has a point: `STREAM=SEQ:SHA256` of its manifest")
	return cmd
}

func (a *app) check(ctx context.Context, point string, flags checkFlags) error {
	d, err := a.deployment()
	if err != nil {
		return err
	}
	options, err := flags.options(point)
	if err != nil {
		return err
	}
	store, end, err := a.openStorage(ctx, d.url, mustExist)
	if err != nil {
		return err
	}
	defer end()
	audit, err := repository.NewAudit(store, repository.AuditOptions{
		Options: repository.Options{Trust: d.trust}, Instance: d.instance(), Read: options.Share.Read(),
	})
	if err != nil {
		return err
	}
	show, shown := a.progress()
	options.Show = show
	result, err := verify.Check(ctx, audit, options)
	shown()
	if result.Finished || len(result.Findings) > 0 {
		a.out.print(result, func(p *page) { writeCheck(p, result) })
	}
	return err
}

func (f checkFlags) options(point string) (o verify.CheckOptions, err error) {
	o.Point = point
	if f.readData == "all" && strings.Contains(point, "/") { // no name of a point has one
		return o, usage("read flags", "%q is no point, and a share is written behind an equals sign", point).Hint("--read-data=%s", point)
	}
	if o.Share, err = verify.ParseCheckShare(f.readData, time.Now()); err != nil {
		return o, err
	}
	if point != "" && len(f.heads) > 0 {
		return o, usage("read flags", "--expect-head is about whole streams, and cannot be given with a point")
	}
	for _, text := range f.heads {
		head, err := repository.ParseExpectedHead(text)
		if err != nil {
			return o, err
		}
		o.Heads = append(o.Heads, head)
	}
	return o, nil
}

// mostShown bounds the lines of findings; JSON has more.
const mostShown = 100

func writeCheck(p *page, r *verify.CheckResult) {
	compared := "size"
	if r.Checksums {
		compared = "size and CRC32C"
	}
	p.line("points     %s", count(int64(r.Points)))
	p.line("files      %s, %s", count(r.Files), size(r.Bytes))
	p.line("compared   %s of every file%s", compared, readText(r.Read))
	p.line("time       %s", seconds(r.Seconds))
	if len(r.Findings) == 0 {
		if r.Finished {
			p.line("findings   none")
		}
		return
	}
	p.line("findings   %s", countsText(r.Counts))
	if r.Counts[repository.Unreferenced] > 0 {
		p.line("           unreferenced files are no damage: runs have left them, and the next prune deletes them")
	}
	p.line("")
	rows := make([][]any, 0, len(r.Findings))
	for _, f := range r.Findings[:min(len(r.Findings), mostShown)] {
		rows = append(rows, []any{string(f.Kind), pointsText(f), printable(f.File), fault.OneLine(printable(f.Expected)), fault.OneLine(printable(f.Got))})
	}
	p.table([]column{left("finding"), left("points"), left("file"), left("expected"), left("got")}, rows)
	if len(r.Findings) > mostShown {
		p.line("and more: -o json lists them")
	}
}

func readText(r verify.CheckRead) string {
	switch r.Share {
	case "none":
		return ""
	case "all":
		return fmt.Sprintf("; SHA-256 of all that points need: %s, %s read", plural(r.Files, "file"), size(r.Bytes))
	default:
		return fmt.Sprintf("; SHA-256 of today's part %s: %s, %s read", r.Share, plural(r.Files, "file"), size(r.Bytes))
	}
}

// countsText is "2 missing, 1 unreferenced".
func countsText(counts map[repository.Damage]int) string {
	var parts []string
	for kind, n := range counts {
		parts = append(parts, fmt.Sprintf("%s %s", count(int64(n)), kind))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// pointsText names the points that need a file: the first, and how many more.
func pointsText(f verify.Finding) string {
	switch {
	case len(f.Points) == 0:
		return "-"
	case f.PointCount > 1:
		return fmt.Sprintf("%s and %s more", f.Points[0], count(int64(f.PointCount-1)))
	default:
		return f.Points[0]
	}
}

// printable keeps what somebody has planted from driving a terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
}
