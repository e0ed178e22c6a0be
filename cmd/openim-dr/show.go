package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/openim-dr/openim-dr/internal/repository"
)

// shown is a point with everything that the repository says about it.
type shown struct {
	*repository.Manifest
	SHA256      string                   `json:"sha256"` // of the manifest
	Signer      string                   `json:"signer"`
	Trusted     bool                     `json:"trusted"`
	Untrusted   string                   `json:"untrusted,omitempty"`
	Quarantined string                   `json:"quarantined,omitempty"`
	State       shownState               `json:"state"`
	Proven      bool                     `json:"proven"`
	ProvenAt    *time.Time               `json:"provenAt"`
	Proofs      []*repository.BriefProof `json:"proofs"` // newest first
	// NoProofs says why files in the place of proofs are none.
	NoProofs []string                `json:"noProofs"`
	Verified []repository.FileStatus `json:"verified,omitempty"`
}

type shownState struct {
	Held      *repository.State `json:"held"`
	Forgotten *repository.State `json:"forgotten"`
	Shredded  *repository.State `json:"shredded,omitempty"`
}

type showFlags struct {
	files      bool
	helmValues string
	source     string
	identities []string
}

func newShow(a *app) *cobra.Command {
	var flags showFlags
	cmd := &cobra.Command{
		Use:   "show POINT",
		Short: "Show one recovery point, and read its files",
		Long: `Show one recovery point. POINT is an id, the beginning of one that fits no
other, latest, or latest-proven. No private key is needed.

It shows the drills that have restored the point, too: when, with what outcome and
why, of all of it or a sample, how long it took and how old it was. The point is
proven once every one of its sources was restored in a drill that passed and left
nothing out.

--files reads every file that the point needs, shared packs included, and holds
size and SHA-256 against the manifest and the index: exit code 3 and the list
where something is missing, truncated or altered.

--helm-values RELEASE prints, instead of all that, the values that were given to a
Helm release of the cluster, as YAML; NAMESPACE/RELEASE where several have the name.
They may hold passwords, and it takes an operator's private key. The releases of a
point are listed without one.

` + exitCodes,
		Example: `  openim-dr show latest
  openim-dr show 20261123T020000Z-k3vq --files
  openim-dr show latest --helm-values openim --identity operator.key > values.yaml
  openim-dr show latest -o json`,
		Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.show(cmd.Context(), args[0], flags) },
	}
	f := cmd.Flags()
	f.BoolVar(&flags.files, "files", false, "read every file that the point needs, and verify it")
	f.StringVar(&flags.helmValues, "helm-values", "", "print the values of the Helm release `RELEASE`, or NAMESPACE/RELEASE")
	f.StringVar(&flags.source, "source", "", "`NAME` of the source of kind kubernetes, for --helm-values")
	f.StringArrayVar(&flags.identities, "identity", nil, "`FILE` with an operator's private key, for --helm-values; may be repeated")
	return cmd
}

func (a *app) show(ctx context.Context, ref string, flags showFlags) error {
	if flags.files && flags.helmValues != "" {
		return usage("read flags", "--files and --helm-values are two different questions")
	}
	if flags.helmValues == "" && (flags.source != "" || len(flags.identities) > 0) {
		return usage("read flags", "--source and --identity are for --helm-values")
	}
	d, err := a.deployment()
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
	if flags.helmValues != "" {
		return a.showValues(ctx, repo, point, flags)
	}
	result := shownOf(point)
	if flags.files {
		if result.Verified, err = repo.Verify(ctx, point); err != nil {
			return err
		}
	}
	a.out.print(result, func(p *page) { writePoint(p, result) })
	return repository.RequireIntact(point.Point, result.Verified)
}

func shownOf(p *repository.Point) *shown {
	s := &shown{
		Manifest: p.Manifest, SHA256: p.SHA256, Signer: p.Signer, Trusted: p.Untrusted == nil,
		Quarantined: p.Quarantined, State: shownState{p.Held, p.Forgotten, p.Shredded},
		Proven: p.Proven != nil, ProvenAt: p.Proven, Proofs: append([]*repository.BriefProof{}, p.Proofs...), NoProofs: []string{},
	}
	for _, why := range p.NoProofs {
		s.NoProofs = append(s.NoProofs, why.Error())
	}
	if p.Untrusted != nil {
		s.Untrusted = p.Untrusted.Error()
	}
	return s
}

func writePoint(p *page, s *shown) {
	p.line("point      %s", s.Point)
	p.line("instance   %s", s.Instance)
	p.line("stream     %s, number %d%s", s.Stream, s.Seq, after(s.Previous))
	p.line("time       %s to %s", utc(s.Started), utc(s.Ended))
	p.line("complete   %s", yes(s.Complete))
	p.line("proven     %s", provenAt(s.ProvenAt))
	p.line("signed by  %s", orUnknown(s.Signer, s.Untrusted))
	p.line("manifest   sha256 %s", s.SHA256)
	p.line("taken by   %s", s.Tool)
	p.line("stored     %s by this run; %s of its own, %s", size(s.Stored), plural(int64(len(s.Files)), "file"), size(ownBytes(s.Files)))
	if s.Quarantined != "" {
		p.line("quarantine %s", s.Quarantined)
	}
	writeState(p, "held", s.State.Held)
	writeState(p, "forgotten", s.State.Forgotten)
	writeState(p, "shredded", s.State.Shredded)
	p.line("")
	rows := make([][]any, 0, len(s.Sources))
	for _, source := range s.Sources {
		rows = append(rows, []any{source.Name, source.Kind, contents(source.Summary), size(source.Summary.Bytes), size(source.Stored), yes(source.Complete)})
	}
	p.table([]column{left("source"), left("kind"), number("content"), number("bytes"), number("stored"), left("complete")}, rows)
	for _, source := range s.Sources {
		for _, part := range partsOf(source) {
			p.line("part     source %s: %s", source.Name, part)
		}
		for _, release := range releaseLines(source.Captured) {
			p.line("release  source %s: %s", source.Name, release)
		}
		for _, w := range source.Warnings {
			p.line("warning  source %s: %s (%s)", source.Name, w.Code, plural(w.Count, "time"))
		}
	}
	for _, m := range s.Missing {
		p.line("missing  source %s: %s (%s)", m.Source, m.Code, plural(m.Count, "time"))
	}
	writeProofs(p, s)
	writeFiles(p, s.Verified)
}

func ownBytes(files []repository.File) (sum int64) {
	for _, f := range files {
		sum += f.Size
	}
	return sum
}

func after(previous *repository.Link) string {
	if previous == nil {
		return ""
	}
	return " after " + previous.Point
}

func writeState(p *page, name string, s *repository.State) {
	if s == nil {
		return
	}
	until := ""
	if s.Until != nil {
		until = " until " + utc(*s.Until)
	}
	p.line("%-10s by %s at %s%s: %s", name, s.By, utc(s.Time), until, s.Reason)
}

func writeFiles(p *page, files []repository.FileStatus) {
	if len(files) == 0 {
		return
	}
	rows := make([][]any, 0, len(files))
	var total int64
	for _, f := range files {
		verdict := "intact"
		if f.Damage != repository.Intact {
			verdict = string(f.Damage)
		}
		rows = append(rows, []any{verdict, size(f.Size), f.Path})
		total += max(f.Size, 0)
	}
	p.line("")
	p.table([]column{left("state"), number("size"), left("file")}, rows)
	p.line("%s read, %s", plural(int64(len(files)), "file"), size(total))
}
