package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/runbook"
)

type runbookFlags struct {
	to      string
	format  string
	target  string
	sources []string
	rename  []string
}

// writtenRunbook is the result where the page went into a file.
type writtenRunbook struct {
	Point  string `json:"point"`
	Format string `json:"format"`
	File   string `json:"file"`
}

func newRunbook(a *app) *cobra.Command {
	var flags runbookFlags
	cmd := &cobra.Command{
		Use:   "runbook POINT",
		Short: "Write the page that brings a point back without openim-dr",
		Long: `Write the page by which a person brings one recovery point back with stock
tools alone: gsutil or cp, minisign, sha256sum, age, zstd, tar, jq, mysql, curl
and kubectl. POINT is an id, the beginning of one that fits no other, latest, or
latest-proven.

The page holds the commands for this very point, from fetching its files to the
last comparison, and no secret. Only plain files of the repository are read: no
server, no cluster and no private key is needed. Print it, or keep it where the
recovery kit is, and write it anew after a change of the deployment.

Without --target the configured sources are what is restored to. Whatever is not
known, such as a password, is a variable at the top of the page.

` + exitCodes,
		Example: `  openim-dr runbook latest > runbook.md
  openim-dr runbook latest --format html --to runbook.html
  openim-dr runbook 20261123T020000Z-k3vq --target dr-site --rename openIM_v3=openIM_v3_restored
  openim-dr runbook latest --repository gs://openim-backups/prod --trust RWQ... --source main`,
		Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.runbook(cmd.Context(), args[0], flags) },
	}
	f := cmd.Flags()
	f.StringVar(&flags.to, "to", "", "write the page to `FILE`, which must not be there; default standard output")
	f.StringVar(&flags.format, "format", "md", "`md|html`: Markdown, or one HTML file that needs nothing else")
	f.StringVar(&flags.target, "target", "", "`NAME` of a configured target, or a file with a list in the form of sources")
	f.StringArrayVar(&flags.sources, "source", nil, "only the source `NAME`; may be repeated")
	f.StringArrayVar(&flags.rename, "rename", nil, "restore `OLD=NEW` under another name; may be repeated")
	return cmd
}

func (a *app) runbook(ctx context.Context, ref string, flags runbookFlags) error {
	if flags.format != "md" && flags.format != "html" {
		return usage("read flags", "--format takes md or html")
	}
	d, err := a.deployment()
	if err != nil {
		return err
	}
	targets, err := d.runbookTargets(flags.target)
	if err != nil {
		return err
	}
	repo, end, err := d.open(ctx, a)
	if err != nil {
		return err
	}
	defer end()
	point, err := findPoint(ctx, repo, ref)
	if err != nil {
		return err
	}
	w := runbookWriter{deployment: d, repo: repo, point: point, targets: targets}
	facts, err := w.facts(ctx, flags, time.Now())
	if err != nil {
		return err
	}
	text, err := formatRunbook(facts, flags.format)
	if err != nil {
		return err
	}
	if flags.to == "" {
		a.out.raw(text)
		return nil
	}
	if err := writeNew(flags.to, text); err != nil {
		return err
	}
	a.out.print(writtenRunbook{point.Point, flags.format, flags.to}, func(p *page) {
		p.line("the page for point %s is in %s", point.Point, flags.to)
	})
	return nil
}

func formatRunbook(facts *runbook.Facts, format string) (string, error) {
	made, err := runbook.Write(*facts)
	if err != nil {
		return "", err
	}
	if format == "html" {
		return runbook.HTML(made)
	}
	return runbook.Markdown(made), nil
}

// writeNew writes a file that must not be there: it may be the only page of
// another point.
func writeNew(path, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return usage("write the page", "there is a file of that name").On(path).Hint("give another name with --to, or remove the file")
	}
	if err != nil {
		return usage("write the page", "%w", err)
	}
	_, err = file.WriteString(text)
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}

// runbookTargets returns where the page restores to, by the name of the source:
// nothing where neither a configuration nor a target is given.
func (d *deployment) runbookTargets(target string) (map[string]config.Source, error) {
	if target == "" && d.config == nil {
		return nil, nil
	}
	list, err := d.restoreTargets(target)
	if err != nil {
		return nil, err
	}
	targets := make(map[string]config.Source, len(list))
	for _, s := range list {
		targets[s.Name] = s
	}
	return targets, nil
}
