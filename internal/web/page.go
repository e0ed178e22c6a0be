package web

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/report"
	"github.com/openim-dr/openim-dr/internal/status"
)

// pageText is the page. html/template escapes whatever is put into it.
//
//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.Must(template.New("page").Funcs(template.FuncMap{
	"age":     func(seconds *float64) string { return quantity.Age(*seconds) },
	"promise": func(seconds *float64) string { return report.Promised(*seconds) },
	"size":    func(n int64) string { return humanize.IBytes(uint64(max(n, 0))) },
	"utc":     quantity.UTC,
	"machine": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"join":    strings.Join,
	"behind":  behind,
	"yes":     func(b *bool) bool { return *b },
}).Parse(report.TrendParts)).Parse(pageText))

// shownReasons and shownRuns bound what the page lists.
const (
	shownReasons = 50
	shownRuns    = 15
)

// page is what the template shows.
type page struct {
	Version             string
	Style, Script, Icon string
	State, Why, Look    string
	Sentence            string
	Now                 time.Time
	Report              *status.Report // nil: nothing was seen yet
	Reasons             []reason
	MoreReasons         int
	Sources             []source
	Trends              []*report.Trend
	Running             []Running
	Schedules           []Schedule
	Runs                []Run
	Points              []status.Point
	Total               int
	Before, Next        string
}

// reason is why things do not stand well, with what to do.
type reason struct {
	status.Reason
	Advice []span
}

// span is a part of a text: a command, or not.
type span struct {
	Text    string
	Command bool
}

// source is one source in a line.
type source struct {
	status.RPOSource
	Proven status.Proven
}

func (s *server) page(w http.ResponseWriter, r *http.Request) {
	_, before, wrong := pageOf(r)
	if wrong != nil {
		fail(w, http.StatusBadRequest, *wrong)
		return
	}
	var body bytes.Buffer
	if err := pageTemplate.Execute(&body, s.newPage(before, time.Now())); err != nil {
		fail(w, http.StatusInternalServerError, FailureDetail{Code: "failed", Doing: "write the page", Why: err.Error(), Try: "report it: this is a defect. /api/v1/status has the same"})
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(body.Bytes()) // whoever asked is gone
}

// looks name the style of a state, sentences what it means.
var (
	looks     = map[string]string{status.OK: "good", status.Warning: "warn", status.Critical: "bad", Unknown: "plain"}
	sentences = map[string]string{
		status.OK:       "Every source can be restored as promised.",
		status.Warning:  "What can be restored is not all that was promised, or not for long.",
		status.Critical: "Something cannot be restored as promised. Act now.",
		Unknown:         "Nobody can tell whether everything can be restored.",
	}
)

func (s *server) newPage(before string, now time.Time) *page {
	v := s.board.current()
	p := &page{Version: s.version, Style: style.Name, Script: script.Name, Icon: icon.Name, Now: now.UTC(), Before: before, Report: v.report}
	p.State, p.Why = v.state(now)
	p.Look, p.Sentence = looks[p.State], sentences[p.State]
	p.Points, p.Next = v.seen.before(before, pageSize)
	p.Total = v.seen.total
	p.Running = s.board.Activity.running(now)
	p.Schedules = s.board.schedules(now)
	runs := v.recent()
	p.Runs = runs[:min(shownRuns, len(runs))]
	if v.report != nil {
		p.judged(v.report)
		p.Trends = trends(v.objectives())
	}
	return p
}

// judged adds what a look has found.
func (p *page) judged(r *status.Report) {
	for _, why := range r.Reasons[:min(shownReasons, len(r.Reasons))] {
		p.Reasons = append(p.Reasons, reason{why, spans(why.Code.Advice())})
	}
	p.MoreReasons = len(r.Reasons) - len(p.Reasons)
	for _, s := range r.Objectives.RPO.Sources {
		one := source{RPOSource: s}
		if at := slices.IndexFunc(r.Proofs, func(proven status.Proven) bool { return proven.Source == s.Source }); at >= 0 {
			one.Proven = r.Proofs[at]
		}
		p.Sources = append(p.Sources, one)
	}
}

// spans cuts a text at its backquotes.
func spans(text string) []span {
	var all []span
	for i, part := range strings.Split(text, "`") {
		if part != "" {
			all = append(all, span{part, i%2 == 1})
		}
	}
	return all
}

// behind is how much older the newest state of a copy is than that of the repository.
func behind(c status.Copy) string {
	if seconds := c.Behind(); seconds > 0 {
		return quantity.Age(seconds)
	}
	return "nothing"
}
