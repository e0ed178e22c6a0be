package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/kube"
	"github.com/openim-dr/openim-dr/internal/openim"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/runbook"
	"github.com/openim-dr/openim-dr/internal/source"
)

// parallelLists bounds the listings of wraps that are asked for at once.
const parallelLists = 16

// runbookWriter gathers what the page of one point is made of.
type runbookWriter struct {
	deployment *deployment
	repo       *repository.Repository
	point      *repository.Point
	targets    map[string]config.Source
}

func (w runbookWriter) facts(ctx context.Context, flags runbookFlags, now time.Time) (*runbook.Facts, error) {
	sources, err := w.chosen(flags.sources)
	if err != nil {
		return nil, err
	}
	build, err := thisBuild()
	if err != nil {
		return nil, err
	}
	f := &runbook.Facts{
		Tool: build.Version, Written: now, Point: w.pointFacts(), Partial: len(sources) < len(w.point.Sources),
		Before: openim.BeforeByHand(), After: openim.AfterByHand(),
	}
	if f.Repository, err = w.repositoryFacts(); err != nil {
		return nil, err
	}
	if f.Parts, err = w.parts(sources, flags.rename); err != nil {
		return nil, err
	}
	return f, w.addFiles(ctx, f)
}

// chosen returns the point's sources in the order of a restore.
func (w runbookWriter) chosen(names []string) ([]repository.Source, error) {
	for _, name := range names {
		if _, ok := w.point.SourceNamed(name); !ok {
			return nil, usage("choose sources", "point %s holds no source %q", w.point.Point, name).
				Hint("openim-dr show %s lists its sources", w.point.Point)
		}
	}
	sources := slices.DeleteFunc(slices.Clone(w.point.Sources), func(s repository.Source) bool {
		return len(names) > 0 && !slices.Contains(names, s.Name)
	})
	slices.SortStableFunc(sources, func(a, b repository.Source) int { return cmp.Compare(rankByHand(a.Kind), rankByHand(b.Kind)) })
	return sources, nil
}

// rankByHand has the configuration come back first: the others may need what
// is in it.
func rankByHand(name string) int {
	for _, k := range kinds() {
		if k.name == name && k.phase != source.Configuration {
			return 1 + int(k.phase)
		}
	}
	return 0
}

func (w runbookWriter) pointFacts() runbook.Point {
	p := runbook.Point{
		ID: w.point.Point, Instance: w.point.Instance, Stream: w.point.Stream, Started: w.point.Started, Ended: w.point.Ended,
		Complete: w.point.Complete, Key: w.point.Keys.Point, Signer: w.point.Signer, ManifestSHA256: w.point.SHA256,
	}
	if w.point.Untrusted != nil {
		p.Doubts = append(p.Doubts, "No signer who is trusted here vouches for this point: it is "+w.point.Untrusted.Error()+". Anybody may have written it.")
	}
	if w.point.Quarantined != "" {
		p.Doubts = append(p.Doubts, "The point is quarantined: "+w.point.Quarantined+".")
	}
	if w.point.Forgotten != nil {
		p.Doubts = append(p.Doubts, "The point is forgotten: its files may be deleted at any time.")
	}
	if !w.point.Complete {
		p.Doubts = append(p.Doubts, "The point is incomplete: something could not be captured.")
	}
	for _, m := range w.point.Missing {
		p.Notes = append(p.Notes, fmt.Sprintf("missing of source %s: %s (%s)", m.Source, m.Code, plural(m.Count, "time")))
	}
	for _, s := range w.point.Sources {
		for _, part := range partsOf(s) {
			p.Notes = append(p.Notes, fmt.Sprintf("source %s: %s", s.Name, part))
		}
		for _, warning := range s.Warnings {
			p.Notes = append(p.Notes, fmt.Sprintf("warning of source %s: %s (%s)", s.Name, warning.Code, plural(warning.Count, "time")))
		}
	}
	return p
}

// repositoryFacts says where the repository is, so that it is found from
// another working directory too.
func (w runbookWriter) repositoryFacts() (runbook.Repository, error) {
	r := runbook.Repository{ID: w.repo.Record().Repository, URL: strings.TrimSuffix(w.deployment.url, "/")}
	if path, ok := strings.CutPrefix(r.URL, "gs://"); ok {
		r.GCS = (&url.URL{Scheme: "https", Host: "storage.googleapis.com", Path: "/" + path}).String()
		return r, nil
	}
	if strings.HasPrefix(r.URL, "s3://") {
		return r, usage("write the page", "it cannot say yet how files are fetched from S3 by hand").On(r.URL).
			Hint("copy the repository into a directory (aws s3 sync) and give it with --repository DIRECTORY")
	}
	var err error
	r.URL, err = filepath.Abs(strings.TrimPrefix(r.URL, "file://"))
	return r, err
}

// parts has each kind of source write its part.
func (w runbookWriter) parts(sources []repository.Source, renames []string) ([]runbook.Part, error) {
	rename, err := runbookRenames(sources, renames)
	if err != nil {
		return nil, err
	}
	var parts []runbook.Part
	prefixes := map[string]bool{}
	for _, s := range sources {
		target, known := w.targets[s.Name]
		if known && target.Kind != s.Kind {
			return nil, usage("write the page", "source %s of the point is of kind %s, and the target of that name of kind %s", s.Name, s.Kind, target.Kind)
		}
		made, err := byHand(s.Kind)(runbook.Source{
			Name: s.Name, Dir: w.point.Dir(s.Name), Prefix: variablePrefix(s.Name, prefixes), Captured: s.Captured,
			Files: w.filesOf(s.Name), Rename: func(name string) string { return cmp.Or(rename[s.Name][name], name) },
		}, target.Settings)
		if err != nil {
			return nil, err
		}
		parts = append(parts, *made)
	}
	return parts, nil
}

// runbookRenames shares --rename out as restore does.
func runbookRenames(sources []repository.Source, flags []string) (map[string]map[string]string, error) {
	chosen := map[string]source.Selection{}
	for _, s := range sources {
		chosen[s.Name] = source.Selection{Rename: map[string]string{}}
	}
	renames := map[string]map[string]string{}
	for _, flag := range flags {
		if err := addRename(chosen, flag); err != nil {
			return nil, err
		}
	}
	for _, s := range sources {
		for old := range chosen[s.Name].Rename {
			if s.Kind == kube.Kind && strings.Contains(old, "/") {
				return nil, usage("read flags", "--rename %s is of an object, and by hand namespaces alone are renamed", old).
					Hint("rename it with openim-dr restore, or edit the file before it is applied")
			}
		}
		renames[s.Name] = chosen[s.Name].Rename
	}
	return renames, nil
}

// variablePrefix makes a name for shell variables of a source's name.
func variablePrefix(name string, taken map[string]bool) string {
	prefix := strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToUpper(name))
	if prefix == "" || prefix[0] < 'A' || prefix[0] > 'Z' {
		prefix = "SOURCE_" + prefix
	}
	unique := prefix
	for n := 2; taken[unique]; n++ {
		unique = fmt.Sprintf("%s_%d", prefix, n)
	}
	taken[unique] = true
	return unique
}

// filesOf lists the paths of a source's own files.
func (w runbookWriter) filesOf(source string) []string {
	var paths []string
	for _, f := range w.point.Files {
		if strings.HasPrefix(f.Path, w.point.Dir(source)+"/") {
			paths = append(paths, f.Path)
		}
	}
	return paths
}

// addFiles counts what has to be fetched, and finds out who can open it.
func (w runbookWriter) addFiles(ctx context.Context, f *runbook.Facts) error {
	var lists []repository.File
	for _, own := range w.point.Files {
		part := slices.IndexFunc(f.Parts, func(p runbook.Part) bool { return strings.HasPrefix(own.Path, p.Dir+"/") })
		if part >= 0 && slices.Contains(f.Parts[part].Lists, own.Path) {
			lists = append(lists, own)
		}
		if part >= 0 || !f.Partial {
			f.Needs.Own.Add(own.Size)
		}
	}
	index, packs, err := w.repo.Shared(ctx, lists)
	if err != nil {
		return err
	}
	for _, file := range index {
		f.Needs.Index.Add(file.Size)
	}
	for _, file := range packs {
		f.Needs.Packs.Add(file.Size)
	}
	keys := []string{w.point.Keys.Point}
	if len(lists) > 0 {
		keys = append(keys, w.point.Keys.Packs...)
	}
	return w.addOpeners(ctx, f, keys)
}

func (w runbookWriter) addOpeners(ctx context.Context, f *runbook.Facts, keys []string) error {
	found := make([]map[string]repository.File, len(keys))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelLists)
	for i, key := range keys {
		group.Go(func() (err error) {
			found[i], err = w.repo.Wraps(ctx, key)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	opens := map[string]int{}
	for _, wraps := range found {
		for fingerprint := range wraps {
			opens[fingerprint]++
		}
	}
	for _, fingerprint := range slices.Sorted(maps.Keys(opens)) {
		f.Openers = append(f.Openers, runbook.Opener{Fingerprint: fingerprint, Use: w.useOf(fingerprint), Keys: opens[fingerprint], Of: len(keys)})
	}
	// One wrap of each key is fetched by who has the key of one.
	for _, wraps := range found {
		for _, file := range wraps {
			f.Needs.Keys.Add(file.Size)
			break
		}
	}
	return nil
}

// useOf says what the configuration knows of a recipient.
func (w runbookWriter) useOf(fingerprint string) string {
	c := w.deployment.config
	if c == nil {
		return ""
	}
	if d := c.Repository.DrillRecipient; d != nil && d.Fingerprint() == fingerprint {
		return "the drill's"
	}
	for _, r := range c.Repository.Recipients {
		if r.Fingerprint() == fingerprint {
			return "an operator's"
		}
	}
	return ""
}
