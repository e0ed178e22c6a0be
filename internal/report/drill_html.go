package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/openim-dr/openim-dr/internal/repository"
)

// drillText is the page of a drill, picturesText its pictures, and
// drillStyleText what it has of style besides that of every page and of trends.
var (
	//go:embed drill.html
	drillText string
	//go:embed drill_pictures.html
	picturesText string
	//go:embed drill.css
	drillStyleText string
)

var drillTemplate = newPage("drill", drillText, map[string]string{"drill-style": TrendStyle + drillStyleText, "pictures": picturesText, "trends": TrendParts}, template.FuncMap{
	"seconds": secondsFigure,
	"promise": promiseFigure,
	"size":    sizeFigure,
	"number":  numberFigure,
	"answer":  answerFigure,
	"content": contentFigure,
	"percent": percent,
	"at":      func(list string, i int, field string) string { return fmt.Sprintf("%s.%d.%s", list, i, field) },
	"lines": func(s repository.Summary) []string {
		return contents(Counts{Rows: s.Rows, Objects: s.Objects, Documents: s.Documents})
	},
})

// drillPage is a drill with what the page says besides its data.
type drillPage struct {
	*Drill
	Faults, Notes []advice
	Manifests     []repository.ProofPoint // one of each point of the set, by its time
	Sums          []*sourceSum
	Unequal       int64
	Timings       *timings
	Trend         *trend
}

func drillHTML(d *Drill) ([]byte, error) {
	p := &drillPage{Drill: d}
	p.Manifests = slices.Clone(d.Proof.Set)
	slices.SortStableFunc(p.Manifests, func(a, b repository.ProofPoint) int { return strings.Compare(a.Point, b.Point) }) // ids sort by time
	p.Manifests = slices.CompactFunc(p.Manifests, func(a, b repository.ProofPoint) bool { return a.Point == b.Point })
	p.sum()
	p.judge()
	p.Timings, p.Trend = newTimings(&d.Proof), newTrend(d.Earlier, p)
	var b bytes.Buffer
	if err := drillTemplate.Execute(&b, p); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// sourceSum is what was compared of one source.
type sourceSum struct {
	Source, Kind, Point      string
	Items                    int64
	Rows, Objects, Documents int64
	Bytes, Differences       int64
	Bad                      []string
	others                   []string // "5 accounts"
}

func (p *drillPage) sum() {
	sums := map[string]*sourceSum{}
	add := func(source string) *sourceSum {
		if sums[source] == nil {
			sums[source] = &sourceSum{Source: source}
			p.Sums = append(p.Sums, sums[source])
		}
		return sums[source]
	}
	for _, s := range p.Proof.Set {
		sum := add(s.Source)
		sum.Kind, sum.Point = s.Kind, s.Point
	}
	for _, c := range p.Proof.Comparisons {
		add(c.Source).take(c)
		if !c.Equal {
			p.Unequal++
		}
	}
}

func (s *sourceSum) take(c repository.ProofCompared) {
	s.Items++
	s.Bytes += c.Bytes
	s.Differences += c.Differences
	if !c.Equal {
		s.Bad = append(s.Bad, c.Name)
	}
	if besides(s.Kind, c) {
		s.others = append(s.others, plural(c.Objects, strings.TrimSuffix(c.Name, "s")))
		return
	}
	s.Rows += c.Rows
	s.Objects += c.Objects
	s.Documents += c.Documents
}

// besides reports whether a part is what a server has besides tables: its name
// says what it counts.
func besides(kind string, c repository.ProofCompared) bool { return kind == "mysql" && c.Objects > 0 }

// nouns are what the parts of a kind of source are called.
var nouns = map[string]string{"mysql": "table", "buckets": "bucket", "kubernetes": "namespace"}

// Words says what was compared: "41 tables with 4,700,000 rows and 5 accounts".
func (s *sourceSum) Words() string {
	noun, known := nouns[s.Kind]
	if !known {
		noun = "part"
	}
	words := plural(s.Items-int64(len(s.others)), noun)
	if sum := s.Content(); sum != "" {
		words += " with " + sum
	}
	return strings.Join(append([]string{words}, s.others...), " and ")
}

// Content is what the parts hold together.
func (s *sourceSum) Content() string {
	return amount(Counts{Rows: s.Rows, Objects: s.Objects, Documents: s.Documents})
}

// row is one line of the list of everything that was compared.
type row struct {
	Index int // in the proof
	repository.ProofCompared
	Kind string
}

// Rows returns everything that was compared: what is not equal comes first.
func (p *drillPage) Rows() []row {
	kinds := map[string]string{}
	for _, s := range p.Sums {
		kinds[s.Source] = s.Kind
	}
	var good, bad []row
	for i, c := range p.Proof.Comparisons {
		if r := (row{i, c, kinds[c.Source]}); c.Equal {
			good = append(good, r)
		} else {
			bad = append(bad, r)
		}
	}
	return append(bad, good...)
}

// Compared counts what was compared.
func (p *drillPage) Compared() int64 { return int64(len(p.Proof.Comparisons)) }

// Equal counts what is equal.
func (p *drillPage) Equal() int64 { return p.Compared() - p.Unequal }

// Tried counts the damages that were made.
func (p *drillPage) Tried() int64 { return int64(len(p.Proof.SelfTest)) }

// Found counts the damages that were found.
func (p *drillPage) Found() int64 {
	n := int64(0)
	for _, s := range p.Proof.SelfTest {
		if s.Found {
			n++
		}
	}
	return n
}

// DifferenceCount counts what the list of differences is of.
func (p *drillPage) DifferenceCount() int64 {
	n := int64(0)
	for _, c := range p.Proof.Comparisons {
		n += c.Differences
	}
	return n
}

// ReferenceCount counts what the list of references is of: of some checks across
// the stores nothing need be listed.
func (p *drillPage) ReferenceCount() int64 {
	n := int64(0)
	for _, t := range p.Proof.Truth {
		if slices.ContainsFunc(p.References, func(r Reference) bool { return r.Check == t.Check && r.Source == t.Source }) {
			n += t.Bad
		}
	}
	return n
}

// Shown says how many of all a list of details holds.
func (p *drillPage) Shown(listed int, all int64) string {
	if int64(listed) >= all {
		return "all of them"
	}
	return fmt.Sprintf("the first %s of %s", count(int64(listed)), count(all))
}

// Minisign is the command that verifies the record, once it and its signature
// were fetched.
func (s Signature) Minisign() string {
	return "minisign -V -P " + s.PublicKey + " -m " + path.Base(s.Records[0])
}

// figure is a value for people that carries the exact one, and where it stands
// in the JSON.
type figure struct{ Path, Value, Text, Exact string }

func secondsFigure(path string, seconds float64) figure {
	exact := strconv.FormatFloat(seconds, 'f', -1, 64)
	return figure{path, exact, Duration(seconds), exact + " s"}
}

// promiseFigure is an objective: somebody chose a round time.
func promiseFigure(path string, seconds float64) figure {
	f := secondsFigure(path, seconds)
	f.Text = Promised(seconds)
	return f
}

// Promised writes an objective: somebody chose a round time.
func Promised(seconds float64) string {
	if math.Mod(seconds, 60) == 0 {
		return shortDuration(seconds)
	}
	return Duration(seconds)
}

func sizeFigure(path string, n int64) figure {
	return figure{path, strconv.FormatInt(n, 10), size(n), plural(n, "byte")}
}

func numberFigure(path string, n int64) figure {
	return figure{Path: path, Value: strconv.FormatInt(n, 10), Text: count(n)}
}

func answerFigure(path string, yes bool) figure {
	return figure{Path: path, Value: strconv.FormatBool(yes), Text: map[bool]string{true: "yes", false: "no"}[yes]}
}

// contentFigure is how much one part holds; nothing where it holds nothing.
func contentFigure(r row) *figure {
	c := r.ProofCompared
	for _, p := range []struct {
		field string
		n     int64
		noun  string
	}{{"rows", c.Rows, "row"}, {"objects", c.Objects, "object"}, {"documents", c.Documents, "document"}} {
		if p.n == 0 {
			continue
		}
		f := numberFigure(fmt.Sprintf("comparisons.%d.%s", r.Index, p.field), p.n)
		f.Text = plural(p.n, p.noun)
		if besides(r.Kind, c) {
			f.Text = count(p.n) + " " + c.Name
		}
		return &f
	}
	return nil
}

// percent writes a share, no finer than it was given.
func percent(share float64) string {
	return strconv.FormatFloat(share*100, 'g', 6, 64) + " %"
}
