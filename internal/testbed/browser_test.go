package testbed

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestBrowserReachesNoNetwork: a page that asks for something is seen doing so,
// and does not get it.
func TestBrowserReachesNoNetwork(t *testing.T) {
	browser := Need(t).Browser(t)
	path := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(path, []byte(`<!doctype html><title>a page</title><img src="http://pictures.example/a.png"><script>throw new Error("a defect")</script>`), 0o600); err != nil {
		t.Fatal(err)
	}
	browser.Open(t, "file://"+path)
	if title := Browse(t, browser, chromedp.Title()); title != "a page" {
		t.Errorf("the title is %q", title)
	}
	if got, want := browser.Requests(), []string{"file://" + path, "http://pictures.example/a.png"}; !slices.Equal(got, want) {
		t.Errorf("asked for %v, want %v", got, want)
	}
	if got := strings.Join(browser.Complaints(), "\n"); !strings.Contains(got, "ERR_NAME_NOT_RESOLVED") {
		t.Errorf("complained of %q, want that the picture cannot be had", got)
	} else if !strings.Contains(got, "a defect") {
		t.Errorf("complained of %q, want what the script has thrown", got)
	}
}
