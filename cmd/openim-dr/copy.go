package main

import (
	"context"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/openim-dr/openim-dr/internal/repository"
)

type copyFlags struct {
	signer stateFlags
	to     string
	from   string
}

// mostCopied bounds the files that are copied at once: each takes some memory.
const mostCopied = 8

// copyResult is the result of copy.
type copyResult struct {
	Copied  []string `json:"copied"`
	Present []string `json:"present"`
	Left    []string `json:"left"`
	Files   int64    `json:"files"`
	Bytes   int64    `json:"bytes"`
	Seconds float64  `json:"seconds"`
}

func newCopy(a *app) *cobra.Command {
	var flags copyFlags
	cmd := &cobra.Command{
		Use:   "copy --to URL [POINT...]",
		Short: "Copy recovery points into another repository",
		Long: `Copy recovery points as they are stored, sealed and signed, into a copy of the
repository: no private key is needed, and each file is held against its checksum on
the way. Without a point every one is copied that counts. What is there already is
not sent again; a point is there whole or not at all, so a copy that was cut off is
gone on with by the same command.

--to and --from name a copy of the configuration's copies, or give a URL. An empty
place becomes a copy: that takes the signing key of an operator, and later copies one
of the role operator or pruner. The keys of --identity that open a point open it in
the copy too. What was decided about a point, and proofs, stay where they were made:
a copy has its own retention, and is proven by a drill of its own
(openim-dr verify --repository COPY).

limits.bandwidth bounds what is read, and limits.workers how many files at once.

` + exitCodes,
		Example: `  openim-dr copy --to eu --signing-key operator-signing.key
  openim-dr copy --to s3://backups-eu/prod?region=eu-central-1
  openim-dr copy --to /mnt/disk 20261123T020000Z-k3vq
  openim-dr restore --repository eu --plan`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.copy(cmd.Context(), args, flags) },
	}
	cmd.Flags().StringVar(&flags.to, "to", "", "`NAME` of a copy, or URL, to copy to (required)")
	cmd.Flags().StringVar(&flags.from, "from", "", "`NAME` of a copy, or URL, to copy from; default the repository")
	flags.signer.addSigner(cmd)
	return cmd
}

func (a *app) copy(ctx context.Context, points []string, flags copyFlags) error {
	began := time.Now()
	if flags.to == "" {
		return usage("copy", "nothing says where to").Hint("give --to NAME or --to URL")
	}
	d, err := a.deployment()
	if err != nil {
		return err
	}
	signer, err := d.stateSigner(flags.signer.signingKey)
	if err != nil {
		return err
	}
	if flags.from != "" {
		if d.url, err = d.named("--from", flags.from); err != nil {
			return err
		}
	}
	target, err := d.named("--to", flags.to)
	if err != nil {
		return err
	}
	from, endFrom, err := a.openStorage(ctx, d.url, mustExist)
	if err != nil {
		return err
	}
	defer endFrom()
	to, endTo, err := a.openStorage(ctx, target, makeAbsent)
	if err != nil {
		return err
	}
	defer endTo()
	limits := d.limits()
	show, shown := a.progress()
	done, err := repository.CopyTo(ctx, from, to, repository.CopyOptions{
		Options: repository.Options{Trust: d.trust}, Signer: signer, By: flags.signer.who(), Tool: "openim-dr " + version, Points: points,
		Bandwidth: int64(limits.Bandwidth), Workers: min(limits.Workers, mostCopied), Show: show,
	})
	shown()
	result := copyResult{notNil(done.Copied), notNil(done.Present), notNil(done.Left), done.Files, done.Bytes, time.Since(began).Seconds()}
	if err == nil || done.Files > 0 {
		a.out.print(result, func(p *page) { writeCopied(p, result, to.URL()) })
	}
	return err
}

func writeCopied(p *page, r copyResult, to string) {
	p.line("copied   %s to %s: %s, %s", plural(int64(len(r.Copied)), "point"), to, plural(r.Files, "file"), size(r.Bytes))
	p.line("present  %s", plural(int64(len(r.Present)), "point"))
	for _, id := range r.Left {
		p.line("left     %s, which was swept meanwhile", id)
	}
	p.line("took     %s", seconds(r.Seconds))
}

// named is the URL of what a flag of copy names. A word that is neither the name of a
// copy nor a directory that is there is more likely a copy misspelt than a directory
// to be made.
func (d *deployment) named(flag, text string) (string, error) {
	if url := d.place(text); url != text || strings.Contains(text, "/") || isDirectory(text) {
		return url, nil
	}
	return "", usage("read flags", "%s %s names no copy: %s", flag, text, d.copyNames()).
		Hint("give the name of a copy, a URL, or a directory with a slash in it: ./%s", text)
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// place is the URL of a copy that the configuration names so, or else the text itself.
func (d *deployment) place(name string) string {
	if d.config != nil {
		for _, c := range d.config.Copies {
			if c.Name == name {
				return c.URL
			}
		}
	}
	return name
}
