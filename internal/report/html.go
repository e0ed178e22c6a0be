package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// pageText is the page. html/template escapes whatever is put into it.
//
//go:embed report.html
var pageText string

var pageTemplate = newPage("report", pageText, nil, nil)

// newPage returns the template of a page, with the style and the words that all
// have, and with parts and words of its own.
func newPage(name, text string, parts map[string]string, own template.FuncMap) *template.Template {
	page := template.New(name).Funcs(words).Funcs(own)
	template.Must(page.New("style").Parse(Style))
	for part, text := range parts {
		template.Must(page.New(part).Parse(text))
	}
	return template.Must(page.Parse(text))
}

// words are the functions of every page.
var words = template.FuncMap{
	"amount":   amount,
	"bytes":    size,
	"count":    count,
	"duration": Duration,
	"kept":     Kept,
	"plural":   plural,
	"moment":   func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
	"machine":  func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"holds":    func(b *bool) bool { return *b },
	"join":     strings.Join,
	"next":     func(i int) int { return i + 1 },
	"span":     func(from, to time.Time) float64 { return to.Sub(from).Seconds() },
	"title":    func(s string) string { return strings.ToUpper(s[:min(1, len(s))]) + s[min(1, len(s)):] },
}

// HTML returns the report as one page, which loads nothing: no script, no
// style and no picture from elsewhere.
func HTML(r *Report) ([]byte, error) {
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, r); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Verdict says in one sentence what the outcome means.
func (r *Report) Verdict() string {
	switch r.Outcome {
	case Planned:
		return "This is a plan. Nothing was changed."
	case Equal:
		if n := len(r.AllDeviations()); n > 0 {
			return "Everything was compared with what was captured, and is equal but for " + plural(int64(n), "deviation") + " that the settings ask for."
		}
		return "Everything was compared with what was captured, and is equal."
	case Different:
		return "What came back is not what was captured: do not put the target into service."
	case Refused:
		return "It was refused for safety. Nothing was changed."
	case Stopped:
		return r.unfinished("It was stopped before the comparison had ended.")
	default:
		return r.unfinished("It failed before the comparison had ended.")
	}
}

func (r *Report) unfinished(what string) string {
	if !r.Touched {
		return what + " Nothing at the target was changed."
	}
	return what + " What is at the target is not whole, or not shown to be: do not put it into service."
}

// Word is the outcome as people say it; no colour is needed to understand it.
func (o Outcome) Word() string {
	if o == Different {
		return "not equal"
	}
	return string(o)
}

// Look names the style of the outcome; a plan has neither succeeded nor failed.
func (o Outcome) Look() string {
	switch o {
	case Equal:
		return "good"
	case Planned:
		return "plain"
	default:
		return "bad"
	}
}

// StepsMeasured reports whether any step has a time of its own.
func (r *Report) StepsMeasured() bool {
	for _, s := range r.Steps {
		if s.Seconds != nil || s.State != "" {
			return true
		}
	}
	return false
}

// Items counts what was compared.
func (r *Report) Items() int64 {
	n := 0
	for _, s := range r.Sources {
		n += len(s.Items)
	}
	return int64(n)
}

// amount says what there is: "2,000 rows, 3 objects".
func amount(c Counts) string { return strings.Join(contents(c), ", ") }

func contents(c Counts) []string {
	var found []string
	for _, p := range []struct {
		n    int64
		noun string
	}{{c.Rows, "row"}, {c.Objects, "object"}, {c.Documents, "document"}} {
		if p.n > 0 {
			found = append(found, plural(p.n, p.noun))
		}
	}
	return found
}

func count(n int64) string { return humanize.Comma(n) }

func size(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }

func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return count(n) + " " + noun + "s"
}

// Duration writes seconds as people say them, no finer than matters.
func Duration(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	days := int64(d / (24 * time.Hour))
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", seconds)
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int64(d/time.Minute), int64(d%time.Minute/time.Second))
	case days < 2:
		return fmt.Sprintf("%d h %d min", int64(d/time.Hour), int64(d%time.Hour/time.Minute))
	default:
		return plural(days, "day") + fmt.Sprintf(" %d h", int64(d%(24*time.Hour)/time.Hour))
	}
}
