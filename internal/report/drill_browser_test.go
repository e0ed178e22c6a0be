package report

import (
	"fmt"
	"math"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/openim-dr/openim-dr/internal/testbed"
)

// TestDrillInABrowser looks at pages of drills as people do: on a screen, on a
// narrow one, and on paper.
func TestDrillInABrowser(t *testing.T) {
	browser := testbed.Need(t).Browser(t)
	pages := map[string]int{"passed": 7, "failed": 8, "not begun": 3, "sampled": 7, "300 tables": 12} // of paper, at most
	for name, d := range drills() {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.ArtifactDir(), "drill.html")
			if err := WriteDrill(path, d); err != nil {
				t.Fatal(err)
			}
			testbed.Browse(t, browser, chromedp.EmulateViewport(1280, 800))
			browser.Open(t, "file://"+path)
			if got := browser.Requests(); len(got) != 1 || got[0] != "file://"+path {
				t.Errorf("the page asks for %v, want nothing but itself", got)
			}
			if got := browser.Complaints(); len(got) > 0 {
				t.Errorf("the browser complains: %q", got)
			}
			requireFigures(t, browser, d)
			requireFirstScreen(t, browser, d)
			for _, width := range []int64{1280, 800} {
				testbed.Browse(t, browser, chromedp.EmulateViewport(width, 800))
				requireNoOverflow(t, browser, width)
				testbed.Save(t, fmt.Sprintf("drill-%d.png", width), testbed.Browse(t, browser, chromedp.FullScreenshot(100)))
			}
			requirePaper(t, browser, d, pages[name])
		})
	}
}

// TestDrillPicture takes the picture of the README: what is seen first.
func TestDrillPicture(t *testing.T) {
	browser := testbed.Need(t).Browser(t)
	path := filepath.Join(t.ArtifactDir(), "drill.html")
	if err := WriteDrill(path, passedDrill()); err != nil {
		t.Fatal(err)
	}
	browser.RequirePicture(t, "file://"+path, "../../docs/images/drill-report.png")
}

// shown is a figure as it stands on the page.
type shown struct{ Path, Value, Text, Title string }

// requireFigures holds every figure of the page against the JSON of the drill:
// the exact value, and what people read. None that matters is left out.
func requireFigures(t *testing.T, browser *testbed.Browser, d *Drill) {
	t.Helper()
	figures := testbed.Evaluate[[]shown](t, browser, `[...document.querySelectorAll('[data-figure]')].map(e => ({Path: e.dataset.figure, Value: e.value, Text: e.innerText, Title: e.title}))`)
	want := leaves("", drillJSON(t, d))
	seen := map[string]bool{}
	for _, f := range figures {
		seen[f.Path] = true
		if got := want[f.Path]; got == nil || fmt.Sprint(got) != fmt.Sprint(parsed(f.Value)) {
			t.Errorf("%s is %v in the JSON, and %q on the page", f.Path, got, f.Value)
		}
		if err := f.understood(); err != nil {
			t.Error(err)
		}
	}
	matters := regexp.MustCompile(`^(comparisons|truth|assertions|selfTest|trend)\.\d+\.(rows|objects|documents|bytes|differences|equal|checked|bad|tolerated|passed|found|rtoSeconds|rpoSeconds)$|^(rto|rpo)\.(seconds|dataSeconds|objectiveSeconds)$|^rto\.parts\.\d+\.seconds$|^servers\.\d+\.|^keys\.identities\.\d+\.(opens|notFor|broken)|^seconds$|^heads\.\d+\.seq|^set\.\d+\.summary\.bytes|^sample\.(objects|of)$`)
	outcomes := regexp.MustCompile(`^trend\.\d+\.(passed|full)$`) // are words on the page
	for path, value := range want {
		if _, text := value.(string); text || seen[path] || !matters.MatchString(path) || outcomes.MatchString(path) {
			continue
		}
		if strings.HasSuffix(path, "toSeconds") && value == 0.0 || path == "rto.seconds" && value == 0.0 {
			continue // "not reached"
		}
		t.Errorf("%s is %v in the JSON, and not on the page", path, value)
	}
}

// leaves returns every value of a document by its path.
func leaves(path string, value any) map[string]any {
	all := map[string]any{}
	add := func(name string, v any) {
		for p, leaf := range leaves(strings.TrimPrefix(path+"."+name, "."), v) {
			all[p] = leaf
		}
	}
	switch value := value.(type) {
	case map[string]any:
		for name, v := range value {
			add(name, v)
		}
	case []any:
		for i, v := range value {
			add(strconv.Itoa(i), v)
		}
	default:
		all[path] = value
	}
	return all
}

// parsed reads an exact value as JSON would.
func parsed(value string) any {
	if number, err := strconv.ParseFloat(value, 64); err == nil {
		return number
	}
	return value == "true"
}

var amounts = regexp.MustCompile(`([0-9.]+) ?(KiB|MiB|GiB|B|days?|d|h|min|s)?\b`)

// understood fails where what people read is another value than the exact one,
// by more than the last digit that they see.
func (f shown) understood() error {
	if answer, is := parsed(f.Value).(bool); is {
		if want := map[bool]string{true: "yes", false: "no"}[answer]; f.Text != want {
			return fmt.Errorf("%s is %v, and reads %q", f.Path, answer, f.Text)
		}
		return nil
	}
	units := map[string]float64{"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "s": 1, "min": 60, "h": 3600, "d": 86400, "day": 86400, "days": 86400}
	sum, grain := 0.0, 0.0
	for _, m := range amounts.FindAllStringSubmatch(strings.ReplaceAll(f.Text, ",", ""), -1) {
		number, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			return err
		}
		sum += number * units[m[2]]
		grain = units[m[2]]
		if strings.Contains(m[1], ".") {
			grain /= 10
		}
	}
	if exact := parsed(f.Value).(float64); math.Abs(sum-exact) >= max(grain, 1e-9) || grain == 0 {
		return fmt.Errorf("%s is %v, and reads %q", f.Path, exact, f.Text)
	}
	return nil
}

// requireFirstScreen: the verdict, the figures and the first reason are seen
// without scrolling.
func requireFirstScreen(t *testing.T, browser *testbed.Browser, d *Drill) {
	t.Helper()
	for _, selector := range []string{".banner", ".tiles", ".advice tbody tr"} {
		bottom := testbed.Evaluate[float64](t, browser, fmt.Sprintf(`(document.querySelector(%q)?.getBoundingClientRect().bottom) ?? -1`, selector))
		if bottom > 800 || bottom < 0 && (selector != ".advice tbody tr" || !d.Proof.Passed) {
			t.Errorf("%s ends at %v of a screen of 800", selector, bottom)
		}
	}
}

// requireNoOverflow: nobody has to scroll sideways, not even within a table.
func requireNoOverflow(t *testing.T, browser *testbed.Browser, width int64) {
	t.Helper()
	wide := testbed.Evaluate[[]string](t, browser, `[document.documentElement, ...document.querySelectorAll('.scroll')]
		.filter(e => e.scrollWidth > e.clientWidth).map(e => e.tagName + ' ' + (e.getAttribute('aria-labelledby') ?? '') + ' ' + e.scrollWidth + ' > ' + e.clientWidth)`)
	if len(wide) > 0 {
		t.Errorf("at a width of %d there is more than fits: %q", width, wide)
	}
}

// requirePaper prints the page, without colours, and reads it.
func requirePaper(t *testing.T, browser *testbed.Browser, d *Drill, most int) {
	t.Helper()
	testbed.Save(t, "drill.pdf", testbed.Browse(t, browser, chromedp.PrintToPDF(chromedp.PDFPaper(chromedp.PaperA4), chromedp.PDFPreferCSSPageSize())))
	out, err := exec.CommandContext(t.Context(), "pdftotext", "-layout", filepath.Join(t.ArtifactDir(), "drill.pdf"), "-").Output()
	if err != nil {
		t.Fatalf("read the PDF: %v", err)
	}
	text := string(out)
	sheets := strings.Count(text, "\f")
	if sheets < 2 || sheets > most {
		t.Errorf("%d pages of paper, want 2 to %d", sheets, most)
	}
	first, _, _ := strings.Cut(text, "\f")
	if numbered := regexp.MustCompile(fmt.Sprintf(`(?m)1 ?/ ?%d$`, sheets)); !numbered.MatchString(first) {
		t.Errorf("the first page is not numbered:\n%s", first)
	}
	var want []string
	for _, c := range d.Proof.Comparisons {
		want = append(want, c.Name)
	}
	for _, s := range d.Proof.Set {
		want = append(want, s.Point, s.SHA256)
	}
	for _, w := range append(want, d.Signature.PublicKey) {
		if !strings.Contains(text, w) {
			t.Errorf("%q is not on paper", w)
		}
	}
	for _, w := range []string{d.Proof.Instance, "Time to restore (RTO)", "2026-12-01 05:00:12 UTC"} {
		if !strings.Contains(first, w) {
			t.Errorf("%q is not on the first page:\n%s", w, first)
		}
	}
}
