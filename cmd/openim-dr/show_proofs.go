package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/repository"
)

func provenAt(at *time.Time) string {
	if at == nil {
		return "no"
	}
	return utc(*at)
}

// writeProofs prints what drills have found, and why files in their place are no
// proofs.
func writeProofs(p *page, s *shown) {
	if len(s.Proofs) > 0 {
		p.line("")
		rows := make([][]any, 0, len(s.Proofs))
		for _, b := range s.Proofs {
			rows = append(rows, []any{b.Drill, utc(b.Ended), passedOrFailed(b), extent(b), restoredOf(b, s.Point), comparedBy(b), objective(quantity.Whole(b.RTO.Seconds), b.RTO.Met), objective(quantity.Age(b.RPO.Seconds), b.RPO.Met)})
		}
		p.table([]column{left("drill"), left("ended"), left("outcome"), left("extent"), left("sources"), left("compared"), number("rto"), number("rpo")}, rows)
		for _, b := range s.Proofs {
			for _, why := range b.Reasons {
				p.line("failed   drill %s: %s", b.Drill, why)
			}
		}
	}
	for _, why := range s.NoProofs {
		p.line("warning  %s", why)
	}
}

func passedOrFailed(b *repository.BriefProof) string {
	if b.Passed {
		return "passed"
	}
	return "failed"
}

// extent says how much of the set was restored and compared.
func extent(b *repository.BriefProof) string {
	switch {
	case b.Sample != nil:
		return fmt.Sprintf("%s of %s objects", count(b.Sample.Objects), count(b.Sample.Of))
	case b.Full:
		return "full"
	default:
		return "in part"
	}
}

// restoredOf names the sources that a drill has restored from a point; those of
// its set that came from other points stand there.
func restoredOf(b *repository.BriefProof, point string) string {
	var names []string
	for _, s := range b.Set {
		if s.Point == point {
			names = append(names, s.Source)
		}
	}
	return strings.Join(names, ", ")
}

// comparedBy sums up what a drill has read again.
func comparedBy(b *repository.BriefProof) string {
	var total repository.BriefCompared
	for _, c := range b.Compared {
		total.Items, total.Unequal = total.Items+c.Items, total.Unequal+c.Unequal
		total.Rows, total.Objects, total.Documents = total.Rows+c.Rows, total.Objects+c.Objects, total.Documents+c.Documents
	}
	parts := []string{plural(total.Items, "item")}
	for _, of := range []struct {
		n    int64
		noun string
	}{{total.Rows, "row"}, {total.Objects, "object"}, {total.Documents, "document"}} {
		if of.n > 0 {
			parts = append(parts, plural(of.n, of.noun))
		}
	}
	text := strings.Join(parts, ", ")
	if total.Unequal > 0 {
		text += fmt.Sprintf("; %s not equal", count(total.Unequal))
	}
	return text
}

// objective adds to a time whether it was within what is wanted.
func objective(measured string, met *bool) string {
	switch {
	case met == nil:
		return measured
	case *met:
		return measured + " (met)"
	default:
		return measured + " (not met)"
	}
}
