package web

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"net/http"

	"github.com/openim-dr/openim-dr/internal/report"
)

// What the page loads.
var (
	//go:embed page.css
	styleText string
	//go:embed page.js
	scriptText string
	//go:embed icon.svg
	iconText string
)

// asset is a file of the page. Its name changes with its content, so that a browser may
// keep it.
type asset struct {
	Name, contentType, content string
}

var (
	style  = newAsset("page", ".css", "text/css; charset=utf-8", report.Style+report.TrendStyle+styleText)
	script = newAsset("page", ".js", "text/javascript; charset=utf-8", scriptText)
	icon   = newAsset("icon", ".svg", "image/svg+xml", iconText)
)

func newAsset(name, suffix, contentType, content string) asset {
	sum := sha256.Sum256([]byte(content))
	return asset{name + "." + hex.EncodeToString(sum[:6]) + suffix, contentType, content}
}

func serveAsset(w http.ResponseWriter, r *http.Request) {
	for _, a := range []asset{style, script, icon} {
		if a.Name == r.PathValue("name") {
			w.Header().Set("Content-Type", a.contentType)
			w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
			_, _ = w.Write([]byte(a.content)) // whoever asked is gone
			return
		}
	}
	fail(w, http.StatusNotFound, FailureDetail{Code: "usage", Doing: "answer", Target: r.URL.Path, Why: "there is no such file: it may be of another version", Try: "load the page again"})
}
