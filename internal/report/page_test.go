package report

import (
	"encoding/xml"
	"errors"
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
	unfinished strings.Builder
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
				e.unfinished.WriteString(text)
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
			top.text = top.unfinished.String()
			stack = stack[:len(stack)-1]
			add(gap(token.Name.Local))
		case xml.CharData:
			add(string(token))
		}
	}
	if len(stack) != 1 {
		t.Fatalf("<%s> is not closed", stack[len(stack)-1].name)
	}
	stack[0].text = stack[0].unfinished.String()
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

// outline is the page without its text.
func outline(e *element) string {
	var b strings.Builder
	b.WriteString("<" + e.name)
	for _, c := range e.children {
		b.WriteString(outline(c))
	}
	return b.String() + ">"
}

// pages are those of every report and of every drill.
func pages(t *testing.T) map[string]*element {
	t.Helper()
	all := map[string]*element{}
	for name, r := range reports() {
		all["restore "+name] = page(t, r)
	}
	for name, d := range drills() {
		all["drill "+name] = drillElement(t, d)
	}
	return all
}

// A page loads nothing, whoever opens it: what is elsewhere may be gone at the
// time of the post-mortem, and learns that there was one.
func TestPageIsSelfContained(t *testing.T) {
	for name, root := range pages(t) {
		t.Run(name, func(t *testing.T) {
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
			policies := 0
			for _, e := range root.all("meta") {
				if e.attributes["http-equiv"] == "Content-Security-Policy" && e.attributes["content"] == "default-src 'none'; style-src 'unsafe-inline'" {
					policies++
				}
			}
			if policies != 1 {
				t.Error("a browser is not told to load nothing")
			}
		})
	}
}

// TestPageIsAccessible: tables say what they are, and what each cell belongs to.
func TestPageIsAccessible(t *testing.T) {
	for name, root := range pages(t) {
		t.Run(name, func(t *testing.T) {
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
			for _, figure := range root.all("figure") {
				requirePicture(t, figure)
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

// requirePicture: who does not see it is told what is on it.
func requirePicture(t *testing.T, figure *element) {
	t.Helper()
	picture := figure.children[0]
	if picture.name != "svg" || picture.attributes["role"] != "img" || len(picture.children) < 2 {
		t.Fatalf("a figure holds <%s>", picture.name)
	}
	title, text := picture.children[0], picture.children[1]
	if title.name != "title" || title.words() == "" || text.name != "desc" || text.words() == "" ||
		picture.attributes["aria-labelledby"] != title.attributes["id"]+" "+text.attributes["id"] {
		t.Error("a picture has no title, or no text")
	}
}

// TestColoursCanBeRead holds every pair of colours against the contrast that
// WCAG 2 asks of text (4.5:1), by day and by night.
func TestColoursCanBeRead(t *testing.T) {
	schemes := regexp.MustCompile(`(?s):root \{(.*?)\}`).FindAllStringSubmatch(Style, -1)
	if len(schemes) != 3 || !strings.Contains(Style, "prefers-color-scheme: dark") || !strings.Contains(Style, "@media print") {
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
			{"text", "part-fetch"}, {"text", "part-decrypt"}, {"text", "part-load"}, {"text", "part-index"}, {"text", "part-objects"}, {"text", "part-compare"},
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
