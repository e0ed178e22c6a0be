package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/status"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// widths are those of a telephone and of a desk, with their heights.
var widths = map[string][2]int64{"telephone": {390, 844}, "desk": {1280, 900}}

// shown is a deployment with a page of it: points, proofs, runs, and a job at work.
func shown(t *testing.T) (*deployed, *Board, *httptest.Server) {
	t.Helper()
	d, b := deploy(t, "main", nasty), NewBoard()
	for range 3 {
		d.take(t)
	}
	d.prove(t, 700, 650, 2000, 600)
	d.run(t, 1, repository.ScheduleNew)
	d.run(t, 2, "failed")
	d.run(t, 3, repository.ScheduleOK)
	d.look(t, b)
	server := httptest.NewServer(Handler(b, "test"))
	t.Cleanup(server.Close)
	t.Cleanup(b.Close) // before the server, which waits for its clients
	return d, b, server
}

// TestPageInABrowser looks at the page on a telephone and on a desk, by day and by night.
func TestPageInABrowser(t *testing.T) {
	browser := testbed.Need(t).Browser(t)
	_, b, server := shown(t)
	job := b.Activity.Begin("hourly")
	defer job.End("ok")
	job.Task("dump "+nasty, progress.Rows, 1000).Add(400)
	for name, size := range widths {
		for _, scheme := range []string{"light", "dark"} {
			t.Run(name+" "+scheme, func(t *testing.T) {
				emulate(t, browser, scheme)
				testbed.Browse(t, browser, chromedp.EmulateViewport(size[0], size[1]))
				browser.Open(t, server.URL)
				requireOwnRequests(t, browser, server.URL)
				requireFits(t, browser)
				requireContrast(t, browser)
				requireNames(t, browser)
				testbed.Save(t, "page.png", testbed.Browse(t, browser, chromedp.FullScreenshot(100)))
				if got := browser.Complaints(); len(got) > 0 {
					t.Errorf("the browser complains: %q", got)
				}
			})
		}
	}
}

// emulate has the browser prefer a scheme of colours, and no motion.
func emulate(t *testing.T, browser *testbed.Browser, scheme string) {
	t.Helper()
	call(t, browser, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
}

// call makes a call of the browser's own protocol.
func call[P, R any](t *testing.T, browser *testbed.Browser, command cdp.Command[P, R], params P) R {
	t.Helper()
	return testbed.Browse(t, browser, func(ctx context.Context, tab *chromedp.Target) (R, error) { return cdp.Call(ctx, tab, command, params) })
}

// await waits until something is so on the page, and is told by each change of it.
func await(t *testing.T, browser *testbed.Browser, condition string) {
	t.Helper()
	testbed.Evaluate[bool](t, browser, `new Promise(done => {
		const watch = new MutationObserver(() => look());
		const look = () => { if (`+condition+`) { watch.disconnect(); done(true); } };
		watch.observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
		look();
	})`)
}

// requireOwnRequests: whatever the page loads is of this server.
func requireOwnRequests(t *testing.T, browser *testbed.Browser, url string) {
	t.Helper()
	requests := browser.Requests()
	for _, request := range requests {
		if !strings.HasPrefix(request, url+"/") {
			t.Errorf("the page asks for %s", request)
		}
	}
	for _, want := range []string{style.Name, script.Name} {
		if !slices.ContainsFunc(requests, func(r string) bool { return strings.HasSuffix(r, want) }) {
			t.Errorf("the page does not ask for %s: %v", want, requests)
		}
	}
}

// requireFits: nobody has to scroll sideways.
func requireFits(t *testing.T, browser *testbed.Browser) {
	t.Helper()
	wide := testbed.Evaluate[[]string](t, browser, `[...document.querySelectorAll('body, body *:not(.hidden)')]
		.filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.hidden, thead, .skip'))
		.map(e => e.tagName + ' ' + e.className + ' ' + e.textContent.slice(0, 40))`)
	if width := testbed.Evaluate[int](t, browser, `document.documentElement.scrollWidth - innerWidth`); width > 0 || len(wide) > 0 {
		t.Errorf("%d more than fits: %q", width, wide)
	}
}

// requireContrast holds the colours of all text, as they are shown, against what WCAG 2
// asks for.
func requireContrast(t *testing.T, browser *testbed.Browser) {
	t.Helper()
	poor := testbed.Evaluate[[]string](t, browser, `(() => {
		const parse = c => (c.match(/[\d.]+/g) ?? []).map(Number);
		const light = c => { const [r, g, b] = parse(c).map(v => { v /= 255; return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; }); return .2126 * r + .7152 * g + .0722 * b; };
		const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor, p = parse(c); if (p.length === 3 || p[3] === 1) return c; } return 'rgb(255, 255, 255)'; };
		return [...document.body.querySelectorAll('*')].filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) && !e.closest('.hidden, .skip, title, desc, noscript')).map(e => {
			const s = getComputedStyle(e), a = light(e.closest('svg') ? s.fill : s.color), b = light(behind(e));
			return [(Math.max(a, b) + .05) / (Math.min(a, b) + .05), e.tagName + ' ' + e.textContent.slice(0, 40)];
		}).filter(([c]) => !(c >= 4.5)).map(([c, e]) => c + ' ' + e);
	})()`)
	if len(poor) > 0 {
		t.Errorf("text that is hard to read: %q", poor)
	}
}

// requireNames: whoever does not see the page is told what everything is.
func requireNames(t *testing.T, browser *testbed.Browser) {
	t.Helper()
	tree := call(t, browser, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	seen := map[string]int{}
	for _, node := range tree.Nodes {
		if node.Ignored || node.Role == nil {
			continue
		}
		role := text(node.Role)
		seen[role]++
		switch role {
		case "link", "heading", "table", "progressbar", "image", "navigation", "region", "columnheader", "rowheader":
			if text(node.Name) == "" {
				t.Errorf("a %s has no name", role)
			}
		}
	}
	for role, least := range map[string]int{"main": 1, "banner": 1, "contentinfo": 1, "navigation": 1, "table": 4, "image": 3, "progressbar": 1, "rowheader": 8, "status": 1} {
		if seen[role] < least {
			t.Errorf("there are %d of role %s: %v", seen[role], role, seen)
		}
	}
}

func text(v *accessibility.Value) string {
	if v == nil {
		return ""
	}
	var s string
	if json.Unmarshal(v.Value, &s) != nil {
		return ""
	}
	return s
}

// TestPageByKeyboard goes through the page with the tabulator alone.
func TestPageByKeyboard(t *testing.T) {
	browser := testbed.Need(t).Browser(t)
	_, _, server := shown(t)
	testbed.Browse(t, browser, chromedp.EmulateViewport(1280, 900))
	browser.Open(t, server.URL)
	order := testbed.Evaluate[[]string](t, browser, `[...document.querySelectorAll('a, summary')].map(e => e.textContent)`)
	for i, want := range order {
		testbed.Browse(t, browser, chromedp.KeyEvent("\t"))
		got := testbed.Evaluate[[]string](t, browser, `(() => { const e = document.activeElement, r = e.getBoundingClientRect(); return [e.textContent, getComputedStyle(e).outlineStyle, String(r.width > 0 && r.left >= 0)]; })()`)
		if !slices.Equal(got, []string{want, "solid", "true"}) {
			t.Errorf("the %d. stop is %q, want %q, to be seen and framed", i+1, got, want)
		}
	}
	browser.Open(t, server.URL)
	testbed.Browse(t, browser, chromedp.KeyEvent("\t\r"))
	if at := testbed.Evaluate[string](t, browser, `document.activeElement.id`); at != "content" {
		t.Errorf("the first link leads to %q", at)
	}
}

// TestPageFollows: what happens is seen while it happens, and what is not known any more
// does not look well.
func TestPageFollows(t *testing.T) {
	browser := testbed.Need(t).Browser(t)
	d, b, server := shown(t)
	report := d.look(t, b)
	browser.Open(t, server.URL)
	await(t, browser, `document.querySelector('#state h2').textContent === '`+report.State+`'`)
	job := b.Activity.Begin("hourly")
	job.Task("dump main", progress.Rows, 1000).Add(400)
	await(t, browser, `document.querySelector('#jobs progress')?.value === 400`)
	job.End("ok")
	await(t, browser, `!document.querySelector('#jobs progress')`)
	b.Report(t.Context(), green(report))
	await(t, browser, `document.querySelector('#state').className === 'banner good' && document.title.startsWith('ok') && document.querySelector('#announcement').textContent.endsWith('ok')`)
	point := d.take(t)
	d.look(t, b)
	await(t, browser, `document.querySelector('#points').textContent.includes('`+point+`')`)
	b.Report(t.Context(), green(report))
	await(t, browser, `document.querySelector('#state').className === 'banner good'`)
	if got := browser.Complaints(); len(got) > 0 {
		t.Errorf("the browser complains: %q", got)
	}
	b.Close()
	server.Close()
	await(t, browser, `document.querySelector('#state').className === 'banner plain' && document.querySelector('#state h2').textContent === 'unknown'`)
}

// TestPageWithoutScript has all that the page says, and is loaded again by itself.
func TestPageWithoutScript(t *testing.T) {
	browser := testbed.Need(t).Browser(t)
	_, _, server := shown(t)
	call(t, browser, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	browser.Open(t, server.URL+"/?before=29990101T000000Z-aaaa")
	if got := testbed.Evaluate[string](t, browser, `document.querySelector('noscript meta[http-equiv=refresh]')?.content ?? ''`); got != "60" {
		t.Errorf("it is loaded again after %q seconds", got)
	}
	if got := testbed.Evaluate[int](t, browser, `document.querySelectorAll('#points tbody tr').length`); got != 3 {
		t.Errorf("%d points are shown", got)
	}
	if slices.ContainsFunc(browser.Requests(), func(r string) bool { return strings.Contains(r, "events") }) {
		t.Error("the script has run")
	}
	requireFits(t, browser)
}

// TestPageEscapes: no name becomes a part of the page.
func TestPageEscapes(t *testing.T) {
	d, b := deploy(t, nasty, "main"), NewBoard()
	d.take(t)
	d.take(t)
	d.prove(t, 100, 200)
	report := *d.look(t, b)
	report.Instance = nasty
	for _, schedule := range []string{nasty, `"><img src=x onerror=alert(1)>`} {
		report.Schedules = append(report.Schedules, status.Schedule{Schedule: schedule, Cron: schedule, Result: schedule})
		report.Reasons = append(report.Reasons, status.Reason{Severity: schedule, Code: status.SourceLost, Text: schedule})
		report.Copies = append(report.Copies, status.Copy{Name: schedule, Kind: schedule, Place: schedule})
		job := b.Activity.Begin(schedule)
		defer job.End("ok")
		job.Task(schedule, progress.Rows, 10)
	}
	b.Report(t.Context(), &report)
	b.Failed(errors.New(nasty))
	_, page := ask(t, Handler(b, nasty), http.MethodGet, "/")
	if strings.Count(page, "<script") != 1 || strings.Contains(page, "<img") {
		t.Errorf("markup has become part of the page:\n%s", page)
	}
	for _, inline := range []string{" style=", "<style", " onerror=\"", "javascript:"} {
		if strings.Contains(page, inline) {
			t.Errorf("the page has %s, which its own policy forbids", inline)
		}
	}
}

// TestPagePicture takes the picture of the README: what is seen first.
func TestPagePicture(t *testing.T) {
	browser := testbed.Need(t).Browser(t)
	b := NewBoard()
	picture(t, b)
	job := b.Activity.Begin("nightly")
	defer job.End("ok")
	job.Task("mirror media/openim", progress.Objects, 20043).Add(13871)
	server := httptest.NewServer(Handler(b, "1.0.0"))
	defer server.Close()
	defer b.Close()
	emulate(t, browser, "light")
	browser.RequirePicture(t, server.URL, "../../docs/images/status-page.png")
}
