package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/openim-dr/openim-dr/backup"
	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/hook"
	"github.com/openim-dr/openim-dr/internal/repository"
)

type backupFlags struct {
	sources      []string
	stream       string
	acceptShrink []string
	fullCheck    bool
}

func newBackup(a *app) *cobra.Command {
	var flags backupFlags
	cmd := &cobra.Command{
		Use:   "backup",
		Short: "Take a recovery point",
		Long: `Take a recovery point of the configured sources.

The point exists when this command says so, and not before: after a failure, a
kill or a power cut at any moment there is no point, and the next run needs no
help. A point in which something is missing says so, and counts for nothing;
the command then ends with exit code 1.

The configured hooks are called before, and after success or failure.

` + exitCodes,
		Example: `  openim-dr backup --config openim-dr.yaml
  openim-dr backup --source main --stream hourly-db
  openim-dr backup --source media --accept-shrink media`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.backup(cmd.Context(), flags) },
	}
	cmd.Flags().StringArrayVar(&flags.sources, "source", nil, "only the source `NAME`; may be repeated")
	cmd.Flags().StringVar(&flags.stream, "stream", "manual", "`NAME` of the sequence of points that this one continues")
	cmd.Flags().BoolVar(&flags.fullCheck, "full-check", false, "read every object again, also those that are listed as they were at the previous point")
	cmd.Flags().StringArrayVar(&flags.acceptShrink, "accept-shrink", nil, "let the source `NAME` lose more than its configured share this once; may be repeated")
	return cmd
}

func (a *app) backup(ctx context.Context, flags backupFlags) (err error) {
	d, err := a.configured("take a point")
	if err != nil {
		return err
	}
	account := a.openAccount(hook.Backup, d)
	account.facts.Stream = flags.stream
	defer func() { err = account.after(ctx, err) }()
	if flags.stream == "" {
		return usage("take a point", "--stream is empty")
	}
	sources, err := d.backupSources(flags, a.log)
	if err != nil {
		return err
	}
	options, err := d.writerOptions()
	if err != nil {
		return err
	}
	store, end, err := a.openStorage(ctx, d.url, mustExist)
	if err != nil {
		return err
	}
	defer end()
	options.Waiting = func(instance, host string, longest time.Duration) {
		a.log.Info("another process holds the stream: waiting to see whether it is alive", "stream", flags.stream, "instance", instance, "host", host, "longest", longest.String())
	}
	writer, err := repository.OpenWriter(ctx, store, options)
	if err != nil {
		return err
	}
	if err := account.before(ctx); err != nil {
		return err
	}
	show, stop := a.progress()
	result, err := backup.Run(ctx, writer, backup.Options{
		Instance: d.config.Instance, Stream: flags.stream, Sources: sources, Show: show, Log: a.log,
	})
	stop()
	if err != nil {
		return err
	}
	account.facts.Points = []string{result.Point}
	a.out.print(result, func(p *page) { writeBackup(p, result) })
	if !result.Complete {
		return fault.New(fault.Failed, "take a point", "point %s %w", result.Point, errIncomplete).
			Hint("openim-dr show %s says what is missing", result.Point)
	}
	return nil
}

// errIncomplete: a point was taken, and something is missing in it.
var errIncomplete = errors.New("is incomplete, and counts for nothing")

// backupSources opens the chosen sources for capture.
func (d *deployment) backupSources(flags backupFlags, log *slog.Logger) ([]backup.Source, error) {
	if _, err := chooseSources(d.config.Sources, flags.acceptShrink); err != nil {
		return nil, err
	}
	chosen, err := chooseSources(d.config.Sources, flags.sources)
	if err != nil {
		return nil, err
	}
	sources := make([]backup.Source, 0, len(chosen))
	for _, s := range chosen {
		o, err := openSource(s, sourceOptions{limits: d.config.Limits, acceptShrink: slices.Contains(flags.acceptShrink, s.Name), fullCheck: flags.fullCheck, log: log})
		if err != nil {
			return nil, err
		}
		sources = append(sources, backup.Source{Name: o.name, Kind: o.kind.name, FormatVersion: o.kind.formatVersion, Phase: o.kind.phase, Capturer: o})
	}
	return sources, nil
}

// writerOptions reads every key that a writer of points needs.
func (d *deployment) writerOptions() (repository.WriterOptions, error) {
	r := d.config.Repository
	o := repository.WriterOptions{
		Options:  repository.Options{Trust: d.trust},
		Instance: d.config.Instance, Tool: "openim-dr " + version, LeaseLength: r.LeaseLength.Duration(),
	}
	var err error
	if o.Recipients, o.Drill, err = recipientsOf(d.config); err != nil {
		return o, err
	}
	if o.Signer, err = readSigner(r.SigningKey); err != nil {
		return o, err
	}
	o.Catalog, err = readCatalog(r.CatalogIdentity)
	return o, err
}

func writeBackup(p *page, r *backup.Result) {
	rows := make([][]any, 0, len(r.Sources))
	for _, s := range r.Sources {
		rows = append(rows, []any{s.Name, s.Kind, contents(s.Summary), size(s.Bytes), size(s.Stored), seconds(s.Seconds)})
	}
	p.table([]column{left("source"), left("kind"), number("content"), number("bytes"), number("stored"), number("time")}, rows)
	for _, w := range r.Warnings {
		p.line("warning  source %s: %s (%s)", w.Source, w.Code, plural(w.Count, "time"))
	}
	for _, m := range r.Missing {
		p.line("missing  source %s: %s (%s)", m.Source, m.Code, plural(m.Count, "time"))
	}
	p.line("")
	p.line("point %s of stream %s: %s stored in %s", r.Point, r.Stream, size(r.Stored), seconds(r.Seconds))
}

// contents says what a summary counts.
func contents(s repository.Summary) string {
	switch {
	case s.Rows > 0:
		return plural(s.Rows, "row")
	case s.Documents > 0:
		return plural(s.Documents, "document")
	case s.Objects > 0:
		return plural(s.Objects, "object")
	default:
		return "nothing"
	}
}
