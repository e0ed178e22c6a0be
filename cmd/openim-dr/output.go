package main

// Wording rules, for everything that this program prints:
//
//   - Results go to stdout, everything else to stderr.
//   - A failure is one line "error: DOING TARGET: WHY" and, where something
//     helps, one line "hint: TRY". Lower case, no full stop, no "failed to".
//   - A hint that is a command can be pasted as it stands.
//   - Sizes and counts are for people in text and exact in JSON; times are UTC.
//   - No secret, no value of a row, no content of an object (invariant 4).
//   - JSON is one document: the result, or the error, or the result with the
//     error in it.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/quantity"
)

// printer prints results as text at once, or as JSON at the end.
type printer struct {
	stdout io.Writer
	stderr io.Writer
	json   bool
	result any
	failed error // of writing to stdout
}

func newPrinter(stdout, stderr io.Writer) *printer { return &printer{stdout: stdout, stderr: stderr} }

// print gives a result out: v as JSON, or what write makes of it as text.
func (p *printer) print(v any, write func(*page)) {
	if p.json {
		p.result = v
		return
	}
	var text page
	write(&text)
	p.raw(text.String())
}

// raw prints text that is the same in both forms: a schema, an example.
func (p *printer) raw(text string) {
	if _, err := io.WriteString(p.stdout, text); err != nil && p.failed == nil {
		p.failed = fmt.Errorf("write result: %w", err)
	}
}

// finish prints what is left and returns the exit code.
func (p *printer) finish(err error) int {
	if p.json && (p.result != nil || err != nil) {
		p.raw(document(p.result, err))
	}
	if err = errors.Join(err, p.failed); err == nil {
		return 0
	}
	if !p.json || p.failed != nil {
		p.explain(err)
	}
	return fault.KindOf(err).ExitCode()
}

// explain prints the error and hint lines.
func (p *printer) explain(err error) {
	p.say("error: %s\n", fault.OneLine(err.Error()))
	if e, ok := fault.Outermost(err); ok && e.Try != "" {
		p.say("hint: %s\n", fault.OneLine(e.Try))
	}
}

// say prints to stderr. Where that fails nobody is left to be told.
func (p *printer) say(format string, args ...any) { _, _ = fmt.Fprintf(p.stderr, format, args...) }

// failure is an error as JSON.
type failure struct {
	Code   string `json:"code"`
	Doing  string `json:"doing"`
	Target string `json:"target"`
	Why    string `json:"why"`
	Try    string `json:"try"`
}

func failureOf(err error) failure {
	f := failure{Code: fault.KindOf(err).String(), Why: fault.OneLine(err.Error())}
	if e, ok := fault.Outermost(err); ok {
		f.Doing, f.Target, f.Why, f.Try = e.Doing, e.Target, fault.OneLine(e.Reason()), fault.OneLine(e.Try)
	}
	return f
}

// document joins a result and an error into one document: the error becomes
// one more key of the result, or stands beside a result that is a list.
func document(result any, err error) string {
	if err == nil {
		return indented(result)
	}
	failed := map[string]failure{"error": failureOf(err)}
	if result == nil {
		return indented(failed)
	}
	body, head := bytes.TrimSpace(compact(result)), bytes.TrimSpace(compact(failed))
	if !bytes.HasPrefix(body, []byte("{")) {
		return indented(map[string]any{"error": failed["error"], "result": json.RawMessage(body)})
	}
	joined := append([]byte(nil), head[:len(head)-1]...)
	if len(body) > len("{}") {
		joined = append(joined, ',')
	}
	return indented(json.RawMessage(append(joined, body[1:]...)))
}

func compact(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(fmt.Sprintf("a result cannot be written as JSON: %v", err)) // a defect of this program
	}
	return b.Bytes()
}

func indented(v any) string {
	var b bytes.Buffer
	if err := json.Indent(&b, bytes.TrimSpace(compact(v)), "", "  "); err != nil {
		panic(fmt.Sprintf("a result is not JSON: %v", err)) // a defect of this program
	}
	return b.String() + "\n"
}

// page is text for people.
type page struct{ strings.Builder }

func (p *page) line(format string, args ...any) { p.WriteString(fmt.Sprintf(format, args...) + "\n") }

// column of a table; numbers stand to the right.
type column struct {
	name   string
	number bool
}

func left(name string) column   { return column{name: name} }
func number(name string) column { return column{name: name, number: true} }

// table prints rows below a header, without colours or borders.
func (p *page) table(columns []column, rows [][]any) {
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Format = table.FormatOptions{}
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	w := table.NewWriter()
	w.SetStyle(style)
	w.SuppressTrailingSpaces()
	header := make(table.Row, len(columns))
	configs := make([]table.ColumnConfig, len(columns))
	for i, c := range columns {
		header[i] = strings.ToUpper(c.name)
		configs[i] = table.ColumnConfig{Number: i + 1, Align: text.AlignLeft, AlignHeader: text.AlignLeft}
		if c.number {
			configs[i].Align, configs[i].AlignHeader = text.AlignRight, text.AlignRight
		}
	}
	w.SetColumnConfigs(configs)
	w.AppendHeader(header)
	for _, row := range rows {
		w.AppendRow(row)
	}
	p.line("%s", w.Render())
}

func size(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }

func count(n int64) string { return humanize.Comma(n) }

// plural writes "1 row" and "2,000 rows".
func plural(n int64, noun string) string { return quantity.Plural(n, noun) }

func utc(t time.Time) string { return quantity.UTC(t) }

func seconds(s float64) string { return fmt.Sprintf("%.1f s", s) }

// yes prints a mark that can be read without colour.
func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
