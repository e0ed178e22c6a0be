package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/openim-dr/openim-dr/internal/repository"
)

// Measures of the pictures, in units of their own: a page scales them.
const (
	pictureWidth = 860.0
	letterWidth  = 6.9 // of the pictures' text, on the safe side
	ticksAtMost  = 7

	timingsLeft, timingsRight = 130.0, 110.0
	timingsTop                = 26.0
	barHeight, barPitch       = 22.0, 34.0
	leastWidth                = 1.5
)

// parts are the parts of a restore in the order in which they are shown.
var parts = []string{"fetch", "decrypt", "load", "index", "objects", "compare"}

// timings is the picture of where the time of a restore went: a bar for the
// whole, and one for each source, cut into its parts.
type timings struct {
	Width, Height, Left, Bottom float64
	Bars                        []bar
	Names, Totals               []label
	Ticks                       []label
	Objective                   *label // nil where it is outside of the picture
	Beyond                      string // says so then
	Legend                      []bar
	Summary                     string
}

// bar is a rectangle with a text in it, where that fits.
type bar struct {
	Class      string
	X, Y, W, H float64
	Text       string
	Title      string
}

// label is a text at a place.
type label struct {
	X, Y   float64
	Anchor string
	Text   string
	Title  string
}

// TextX and TextY are where the text of a bar stands.
func (b bar) TextX() float64 { return round(b.X + b.W/2) }

// TextY is the baseline of the text.
func (b bar) TextY() float64 { return round(b.Y + b.H/2 + 4.5) }

// Width is about that of the text.
func (l label) Width() float64 { return round(width(l.Text)) }

// newTimings returns nil where nothing was measured.
func newTimings(p *repository.Proof) *timings {
	if p.RTO.Seconds <= 0 {
		return nil
	}
	t := &timings{Width: pictureWidth, Left: timingsLeft}
	sources := measured(p)
	longest := p.RTO.Seconds
	for _, s := range sources {
		longest = max(longest, s.seconds())
	}
	// An objective far away would make everything else too small to be seen.
	const tolerable = 2.5
	objective := p.RTO.ObjectiveSeconds
	far := objective > tolerable*longest
	if objective > 0 && !far {
		longest = max(longest, objective)
	}
	scale := (pictureWidth - timingsLeft - timingsRight) / longest
	x := func(seconds float64) float64 { return round(timingsLeft + seconds*scale) }

	t.row("whole restore", "whole", p.RTO.Seconds, []bar{{Class: "whole", X: timingsLeft, W: round(p.RTO.Seconds * scale), Title: "whole restore: " + Duration(p.RTO.Seconds)}})
	for _, s := range sources {
		t.row(s.name, "source", s.seconds(), s.bars(x))
	}
	t.Bottom = timingsTop + float64(len(sources)+1)*barPitch
	t.Height = t.Bottom + 26
	for _, tick := range ticks(longest) {
		t.Ticks = append(t.Ticks, label{X: x(tick), Y: t.Bottom + 18, Text: shortDuration(tick)})
	}
	switch {
	case objective <= 0:
	case far:
		t.Beyond = "The objective of " + Promised(objective) + " lies beyond the picture."
	default:
		t.Objective = &label{X: x(objective), Y: timingsTop - 10, Anchor: anchorAt(x(objective)), Text: "objective " + Promised(objective)}
	}
	t.legend(sources)
	t.Summary = summary(p, sources)
	return t
}

func (t *timings) row(name, class string, total float64, bars []bar) {
	y := timingsTop + float64(len(t.Names))*barPitch
	for _, b := range bars {
		b.Y, b.H = y+(barPitch-barHeight)/2, barHeight
		t.Bars = append(t.Bars, b)
	}
	middle := y + barPitch/2 + 4.5
	t.Names = append(t.Names, label{X: timingsLeft - 12, Y: middle, Anchor: class, Text: fitting(name, timingsLeft-12), Title: name})
	end := timingsLeft
	if len(bars) > 0 {
		end = bars[len(bars)-1].X + bars[len(bars)-1].W
	}
	t.Totals = append(t.Totals, label{X: round(end + 8), Y: middle, Text: Duration(total)})
}

// legend names the parts that there are, side by side.
func (t *timings) legend(sources []sourceTime) {
	for _, part := range partsOf(sources) {
		t.Legend = append(t.Legend, bar{Class: classOf(part), Text: part})
	}
}

// sourceTime is the time of the parts of a source that were one after the other.
type sourceTime struct {
	name  string
	parts []repository.ProofPart
}

func (s sourceTime) seconds() float64 {
	sum := 0.0
	for _, p := range s.parts {
		sum += p.Seconds
	}
	return sum
}

func (s sourceTime) bars(x func(float64) float64) []bar {
	var bars []bar
	at := 0.0
	for _, p := range s.parts {
		// The least can be seen, and there is a gap to what follows.
		b := bar{Class: classOf(p.Part), X: x(at), W: round(max(x(at+p.Seconds)-x(at)-1, leastWidth)), Title: s.name + ", " + p.Part + ": " + Duration(p.Seconds)}
		for _, text := range []string{p.Part + " " + Duration(p.Seconds), p.Part} {
			if width(text)+8 <= b.W {
				b.Text = text
				break
			}
		}
		at += p.Seconds
		bars = append(bars, b)
	}
	return bars
}

// measured returns the sources in the order of the set, with their parts in order.
func measured(p *repository.Proof) []sourceTime {
	var sources []sourceTime
	index := map[string]int{}
	for _, s := range p.Set {
		index[s.Source] = len(sources)
		sources = append(sources, sourceTime{name: s.Source})
	}
	for _, part := range p.RTO.Parts {
		if part.Busy {
			continue
		}
		if _, known := index[part.Source]; !known {
			index[part.Source] = len(sources)
			sources = append(sources, sourceTime{name: part.Source})
		}
		s := &sources[index[part.Source]]
		s.parts = append(s.parts, part)
	}
	for _, s := range sources {
		slices.SortStableFunc(s.parts, func(a, b repository.ProofPart) int { return orderOf(a.Part) - orderOf(b.Part) })
	}
	return slices.DeleteFunc(sources, func(s sourceTime) bool { return len(s.parts) == 0 })
}

func partsOf(sources []sourceTime) []string {
	var names []string
	for _, s := range sources {
		for _, p := range s.parts {
			if !slices.Contains(names, p.Part) {
				names = append(names, p.Part)
			}
		}
	}
	slices.SortStableFunc(names, func(a, b string) int { return orderOf(a) - orderOf(b) })
	return names
}

// orderOf sorts parts that are not known behind the others.
func orderOf(part string) int {
	if i := slices.Index(parts, part); i >= 0 {
		return i
	}
	return len(parts)
}

func classOf(part string) string {
	if slices.Contains(parts, part) {
		return "part-" + part
	}
	return "part-other"
}

// summary is the picture for those who do not see it.
func summary(p *repository.Proof, sources []sourceTime) string {
	said := []string{"The whole restore took " + Duration(p.RTO.Seconds)}
	for _, s := range sources {
		var of []string
		for _, part := range s.parts {
			of = append(of, part.Part+" "+Duration(part.Seconds))
		}
		said = append(said, s.name+": "+strings.Join(of, ", "))
	}
	return strings.Join(said, ". ") + "."
}

// ticks returns round times from 0 to most, no more than fit.
func ticks(most float64) []float64 {
	step := tickStep(most)
	var at []float64
	for i := 0.0; i*step <= most*1.0001; i++ {
		at = append(at, i*step)
	}
	return at
}

func tickStep(most float64) float64 {
	for _, step := range []float64{.1, .2, .5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 3 * 3600, 6 * 3600, 12 * 3600, 86400, 2 * 86400, 7 * 86400} {
		if most/step < ticksAtMost {
			return step
		}
	}
	return math.Ceil(most/ticksAtMost/86400) * 86400
}

// shortDuration writes a round time in its largest unit.
func shortDuration(seconds float64) string {
	for _, u := range []struct {
		seconds float64
		name    string
	}{{86400, "d"}, {3600, "h"}, {60, "min"}} {
		if seconds >= u.seconds && math.Mod(seconds, u.seconds) == 0 {
			return strconv.FormatFloat(seconds/u.seconds, 'f', -1, 64) + " " + u.name
		}
	}
	if seconds == 0 {
		return "0"
	}
	return strconv.FormatFloat(round(seconds), 'f', -1, 64) + " s"
}

// anchorAt keeps a text at x within the picture.
func anchorAt(x float64) string {
	if x > pictureWidth/2 {
		return "end"
	}
	return "start"
}

func width(text string) float64 { return float64(utf8.RuneCountInString(text)) * letterWidth }

// fitting cuts a text to a width.
func fitting(text string, most float64) string {
	runes, fits := []rune(text), int(most/letterWidth)
	if len(runes) <= fits {
		return text
	}
	return fmt.Sprintf("%s…", string(runes[:fits-1]))
}

func round(x float64) float64 { return math.Round(x*10) / 10 }
