package restore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

const (
	// mostOffers bounds for how many lost parts of a source another point is
	// looked for, and olderPoints how many points back.
	mostOffers  = 20
	olderPoints = 10
	// offerTime bounds the looking: what is known already must be told.
	offerTime = time.Minute
)

// offer looks for older points that hold whole what is lost. It is a help: what
// cannot be found out is not offered.
func (c *carrier) offer(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, offerTime)
	defer cancel()
	for i := range c.parts {
		lost := c.result.Sources[i].Lost
		for n := range lost[:min(len(lost), mostOffers)] {
			if lost[n].Offer = c.older(ctx, &c.parts[i], c.Set[i], lost[n]); lost[n].Offer == "" {
				lost[n].Offer = "no older point was found that holds it whole"
			}
		}
	}
}

// older says which older point holds one part whole, newest first.
func (c *carrier) older(ctx context.Context, part *sourcePlan, member Member, lost source.Lost) string {
	tried := 0
	for _, p := range slices.Backward(c.listing.Points) {
		if p.Point == member.Point || p.Started.After(member.Time) || !p.Eligible() || p.Instance != part.from.Point().Instance || len(lost.Names) == 0 || strings.ContainsFunc(lost.Include, unicode.IsControl) {
			continue
		}
		if tried++; tried > olderPoints {
			break
		}
		from, ok := repository.SourceOf(c.repo.Unlock(p, c.request.Identities), member.Source)
		if !ok {
			continue
		}
		files, err := locate(ctx, part.source, from, lost.Names)
		if err != nil || len(files) == 0 {
			continue
		}
		if intact, err := c.repo.Intact(ctx, files); err == nil && intact {
			return fmt.Sprintf("point %s of %s holds it whole: %s", p.Point, utc(p.Started), command(p.Point, part.source, lost))
		}
	}
	return ""
}

// command brings just that back. An object is named alone: a pattern would mean
// every key that begins so. Names come from users, and go to a shell.
func command(point string, s Source, lost source.Lost) string {
	quoted := func(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
	if _, objects := s.Restorer.(source.Locator); objects {
		return fmt.Sprintf(`printf '%%s\0' %s | openim-dr restore %s --objects -`, quoted(s.Name+"/"+strings.Join(lost.Names, "/")), point)
	}
	return fmt.Sprintf("openim-dr restore %s --include %s", point, quoted(s.Name+"/"+lost.Include))
}

// locate finds the files that hold something.
func locate(ctx context.Context, s Source, from *repository.SourceReader, names []string) ([]repository.File, error) {
	if locator, ok := s.Restorer.(source.Locator); ok {
		return locator.Locate(ctx, from, names)
	}
	return from.FilesBelow(names...), nil
}
