package testbed

import (
	"bytes"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

const (
	// pictureWidth and pictureHeight are of what is seen first of a page, in pixels.
	pictureWidth  = 1120
	pictureHeight = 1250
	// pictureBytes is what a picture of the documentation may have.
	pictureBytes = 300_000
)

// Evaluate runs a script on the page that is open, waits for what it promises, and
// returns that.
func Evaluate[T any](t testing.TB, b *Browser, expression string) T {
	t.Helper()
	return Browse(t, b, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// Save keeps something for people to look at: go test -artifacts leaves it where it says.
func Save(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(t.ArtifactDir(), name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// RequirePicture opens a page, takes a picture of what is seen first, and holds the one
// of the documentation at path against it. Colours and letters differ from machine to
// machine: what has to agree is the size.
func (b *Browser) RequirePicture(t testing.TB, url, path string) {
	t.Helper()
	Browse(t, b, chromedp.EmulateViewport(pictureWidth, pictureHeight))
	b.Open(t, url)
	taken := Browse(t, b, chromedp.CaptureScreenshot())
	Save(t, filepath.Base(path), taken)
	kept, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(kept) > pictureBytes {
		t.Errorf("%s has %d bytes, want %d at most", path, len(kept), pictureBytes)
	}
	if got, want := dimensions(t, kept), dimensions(t, taken); got != want {
		t.Errorf("%s is of %s, and would be of %s now: take it again with go test -artifacts", path, got, want)
	}
}

func dimensions(t testing.TB, picture []byte) string {
	t.Helper()
	config, err := png.DecodeConfig(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d x %d", config.Width, config.Height)
}
