package report

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// element is one element of a page.
type element struct {
	name       string
	attributes map[string]string
	children   []*element
	text       string // of its own and of everything in it
}

// parse reads a page, which must be balanced but for void elements.
func parse(t *testing.T, page []byte) *element {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(string(page)))
	d.Strict, d.AutoClose, d.Entity = false, []string{"meta", "br"}, xml.HTMLEntity
	stack := []*element{{}}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the page is not balanced: %v", err)
		}
		top := stack[len(stack)-1]
		add := func(text string) {
			for _, e := range stack {
				e.text += text
			}
		}
		switch token := token.(type) {
		case xml.StartElement:
			e := &element{name: token.Name.Local, attributes: map[string]string{}}
			for _, a := range token.Attr {
				e.attributes[a.Name.Local] = a.Value
			}
			top.children = append(top.children, e)
			stack = append(stack, e)
			add(gap(e.name))
		case xml.EndElement:
			if top.name != token.Name.Local {
				t.Fatalf("<%s> is closed by </%s>", top.name, token.Name.Local)
			}
			stack = stack[:len(stack)-1]
			add(gap(token.Name.Local))
		case xml.CharData:
			add(string(token))
		}
	}
	if len(stack) != 1 {
		t.Fatalf("<%s> is not closed", stack[len(stack)-1].name)
	}
	return stack[0]
}

// gap is what a reader sees between an element and what is around it.
func gap(name string) string {
	if slices.Contains([]string{"strong", "code", "time"}, name) {
		return ""
	}
	return " "
}

// all returns the elements of one name, or every element, below e.
func (e *element) all(name string) []*element {
	var found []*element
	for _, c := range e.children {
		if c.name == name || name == "*" {
			found = append(found, c)
		}
		found = append(found, c.all(name)...)
	}
	return found
}

// words returns the text with single blanks.
func (e *element) words() string { return strings.Join(strings.Fields(e.text), " ") }

func page(t *testing.T, r *Report) *element {
	t.Helper()
	data, err := HTML(r)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, data)
}

// reports are one of every outcome.
func reports() map[string]*Report {
	deviating, different, failed, stopped, refused, plan := sample(), sample(), sample(), sample(), sample(), sample()
	equal := sample()
	equal.Sources[0].Deviations = nil
	different.Outcome, different.Equal, different.ExitCode = Different, false, 3
	different.Sources[0].Equal = yes(false)
	different.Sources[0].Differences = []Difference{{Object: "openIM_v3.users", What: "rows", Want: "12", Got: "11"}}
	different.Failure = &Failure{Code: "corrupt", Doing: "compare", Why: "1 differences", Try: "do not use it"}
	for _, r := range []*Report{failed, stopped, refused, plan} {
		r.Equal, r.RTOSeconds, r.ExitCode = false, nil, 1
		for i := range r.Sources {
			r.Sources[i] = Source{Name: r.Sources[i].Name, Kind: r.Sources[i].Kind, Point: r.Sources[i].Point}
		}
	}
	failed.Outcome, failed.Failure = Failed, &Failure{Code: "failed", Doing: "load", Target: "mysql db:3306", Why: "connection lost", Try: "run it again"}
	failed.Sources[0].LoadSeconds = seconds(17)
	stopped.Outcome, stopped.Failure = Stopped, &Failure{Code: "failed", Doing: "restore", Why: "it was stopped"}
	refused.Outcome, refused.Touched, refused.ExitCode, refused.Overwritten = Refused, false, 4, nil
	refused.Refusals = []Refusal{{Code: "occupied", Target: "mysql/db:3306/openIM_v3", Why: "it holds 41 tables", Try: "--overwrite mysql/db:3306/openIM_v3"}}
	plan.Outcome, plan.Touched, plan.ExitCode = Planned, false, 0
	early := &Report{Verb: "restore", Tool: "openim-dr 1.2.3", Began: began, Ended: began.Add(time.Second), Outcome: Failed, ExitCode: 1,
		Failure: &Failure{Code: "failed", Doing: "open storage", Target: "gs://openim-backups/prod", Why: "timeout"}}
	return map[string]*Report{
		"equal": equal, "equal with deviations": deviating, "different": different, "failed": failed, "stopped": stopped,
		"refused": refused, "planned": plan, "failed before anything was known": early,
	}
}

// TestPageSaysWhatHappened: who reads no more than the page knows how it ended
// and what that means.
func TestPageSaysWhatHappened(t *testing.T) {
	want := map[string][]string{
		"equal": {"Equal. Everything was compared with what was captured, and is equal.", "From the word to the last comparison 12 min 34 s objective 10 min 0 s: missed",
			"Changes lost, at most 1 h 15 min objective 1 h 0 min: missed", "Compared 2 0 differences", "Brought back 1.5 GiB 4,700,000 rows, 20,000 objects",
			"Began 2026-11-24 03:15:00 UTC", "Program openim-dr 1.2.3", "Rollback point 20261124T031600Z-roll", "openim/Deployment/openim-api 3 2026-11-24 03:16:00 UTC not reached",
			"Target the sources themselves"},
		"equal with deviations":            {"is equal but for 1 deviation that the settings ask for.", "openim@% main kept existingAccounts: keep"},
		"different":                        {"Not equal. What came back is not what was captured: do not put the target into service.", "openIM_v3.users main rows 12 11", "exit code 3, corrupt"},
		"failed":                           {"Failed. It failed before the comparison had ended. What is at the target is not whole", "To what mysql db:3306", "Why connection lost", "What to do run it again", "17.0 s not begun not compared"},
		"stopped":                          {"Stopped. It was stopped before the comparison had ended.", "Ended after 13 min 0 s the comparison was not reached; the objective is 10 min 0 s"},
		"refused":                          {"Refused. It was refused for safety. Nothing was changed.", "--overwrite mysql/db:3306/openIM_v3"},
		"planned":                          {"Planned. This is a plan. Nothing was changed."},
		"failed before anything was known": {"Nothing at the target was changed.", "To what gs://openim-backups/prod", "Why timeout"},
	}
	for name, r := range reports() {
		t.Run(name, func(t *testing.T) {
			words := page(t, r).all("body")[0].words()
			for _, w := range want[name] {
				if !strings.Contains(words, w) {
					t.Errorf("the page lacks %q:\n%s", w, words)
				}
			}
		})
	}
}

// A page loads nothing, whoever opens it: what is elsewhere may be gone at the
// time of the post-mortem, and learns that there was one.
func TestPageIsSelfContained(t *testing.T) {
	for name, r := range reports() {
		t.Run(name, func(t *testing.T) {
			root := page(t, r)
			for _, e := range root.all("*") {
				for _, loads := range []string{"src", "href", "action", "data", "poster", "style", "background", "onload", "onclick"} {
					if value, has := e.attributes[loads]; has {
						t.Errorf("<%s> has %s=%q", e.name, loads, value)
					}
				}
				if slices.Contains([]string{"script", "link", "img", "iframe", "object", "embed", "form", "base", "a"}, e.name) {
					t.Errorf("there is a <%s>", e.name)
				}
			}
			style := root.all("style")[0].text
			if strings.Contains(style, "url(") || strings.Contains(style, "@import") {
				t.Error("the style loads something")
			}
			if !strings.Contains(pageText, `content="default-src 'none'; style-src 'unsafe-inline'"`) {
				t.Error("a browser is not told to load nothing")
			}
		})
	}
}

// TestPageIsAccessible: tables say what they are, and what each cell belongs to.
func TestPageIsAccessible(t *testing.T) {
	for name, r := range reports() {
		t.Run(name, func(t *testing.T) {
			root := page(t, r)
			html := root.all("html")
			if len(html) != 1 || html[0].attributes["lang"] != "en" || root.all("title")[0].words() == "" || len(root.all("main")) != 1 || len(root.all("h1")) != 1 {
				t.Error("language, title, main part or heading are missing")
			}
			ids := map[string]bool{}
			for _, e := range root.all("*") {
				if id := e.attributes["id"]; id != "" {
					if ids[id] {
						t.Errorf("the id %s is there twice", id)
					}
					ids[id] = true
				}
			}
			for _, e := range root.all("div") {
				if e.attributes["class"] == "scroll" && (!ids[e.attributes["aria-labelledby"]] || e.attributes["tabindex"] != "0" || e.attributes["role"] != "region") {
					t.Errorf("a part that scrolls cannot be reached or has no name: %v", e.attributes)
				}
			}
			for _, table := range root.all("table") {
				requireTable(t, table)
			}
			for _, e := range root.all("time") {
				if _, err := time.Parse(time.RFC3339, e.attributes["datetime"]); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func requireTable(t *testing.T, table *element) {
	t.Helper()
	caption := table.all("caption")
	if len(caption) != 1 || caption[0].words() == "" || table.children[0] != caption[0] || len(table.all("tbody")) != 1 {
		t.Fatal("a table has no caption")
	}
	columns := 2 // names and values, without a head
	for _, head := range table.all("thead") {
		columns = len(head.all("th"))
		for _, th := range head.all("th") {
			if th.attributes["scope"] != "col" || th.words() == "" {
				t.Errorf("%s: a head of a column is not named so", caption[0].words())
			}
		}
	}
	for _, row := range table.all("tbody")[0].children {
		first := row.children[0]
		if first.name != "th" || first.attributes["scope"] != "row" || len(row.children) != columns {
			t.Errorf("%s: a row of %d cells begins with <%s>, want %d and the head of the row", caption[0].words(), len(row.children), first.name, columns)
		}
	}
}

// fill puts a text of its own into every string of v, and one element into
// every list.
func fill(v reflect.Value, path string, text func(path string) string) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), path, text)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), path, text)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(began))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), path+"."+v.Type().Field(i).Name, text)
		}
	case reflect.String:
		if v.Type() == reflect.TypeFor[Outcome]() {
			v.SetString(string(Failed))
			return
		}
		v.SetString(text(path))
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Float64:
		v.SetFloat(1)
	}
}

// TestEverythingIsShown puts a word into every part of a report, and finds each
// on the page: what is added to a report is not forgotten there.
func TestEverythingIsShown(t *testing.T) {
	var r Report
	var words []string
	fill(reflect.ValueOf(&r).Elem(), "", func(path string) string {
		word := fmt.Sprintf("word-%d-", len(words))
		words = append(words, word+" "+path)
		return word
	})
	text := strings.ToLower(page(t, &r).text)
	for _, w := range words {
		word, path, _ := strings.Cut(w, " ")
		switch path {
		case ".Deviations.Source", ".Deviations.Object", ".Deviations.What", ".Deviations.Why": // the comparison's are there instead
		case ".Refusals.Code", ".Sources.Deviations.Source": // a word for programs; the source's own name stands there
		default:
			if !strings.Contains(text, word) {
				t.Errorf("%s is not on the page", path)
			}
		}
	}
}

// TestPageEscapesEverything puts markup into every part of a report.
func TestPageEscapesEverything(t *testing.T) {
	var r, harmless Report
	fill(reflect.ValueOf(&r).Elem(), "", func(string) string {
		return `"'><script>alert(1)</script><img src=x onerror=alert(1)></style></title></td></table>&amp;` + "`{{.}}"
	})
	fill(reflect.ValueOf(&harmless).Elem(), "", func(string) string { return "x" })
	got, want := outline(page(t, &r)), outline(page(t, &harmless))
	if got != want {
		t.Errorf("markup from outside has become part of the page:\n%s\nwant\n%s", got, want)
	}
}

// outline is the page without its text.
func outline(e *element) string {
	var b strings.Builder
	b.WriteString("<" + e.name)
	for _, c := range e.children {
		b.WriteString(outline(c))
	}
	return b.String() + ">"
}

// TestColoursCanBeRead holds every pair of colours against the contrast that
// WCAG 2 asks of text (4.5:1), by day and by night.
func TestColoursCanBeRead(t *testing.T) {
	schemes := regexp.MustCompile(`(?s):root \{(.*?)\}`).FindAllStringSubmatch(pageText, -1)
	if len(schemes) != 3 || !strings.Contains(pageText, "prefers-color-scheme: dark") || !strings.Contains(pageText, "@media print") {
		t.Fatalf("found %d schemes, want one for light, dark and print", len(schemes))
	}
	for i, scheme := range schemes {
		colours := map[string]float64{}
		for _, c := range regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{3,6});`).FindAllStringSubmatch(scheme[1], -1) {
			colours[c[1]] = luminance(t, c[2])
		}
		for _, pair := range [][2]string{
			{"text", "page"}, {"text", "card"}, {"faint", "page"}, {"faint", "card"}, {"good", "page"}, {"bad", "page"},
			{"good", "good-page"}, {"bad", "bad-page"}, {"text", "good-page"}, {"text", "bad-page"},
		} {
			a, known := colours[pair[0]]
			b, too := colours[pair[1]]
			if contrast := (max(a, b) + .05) / (min(a, b) + .05); !known || !too || contrast < 4.5 {
				t.Errorf("scheme %d: %s on %s has a contrast of %.1f", i, pair[0], pair[1], contrast)
			}
		}
	}
}

// luminance is that of WCAG 2.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	sum := 0.0
	for i, weight := range []float64{.2126, .7152, .0722} {
		n, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= .04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}
