package runbook

import (
	_ "embed"
	"fmt"
	"html/template"
	"strings"
)

//go:embed page.html.tmpl
var htmlSource string

var htmlTemplate = template.Must(template.New("page").Funcs(template.FuncMap{"kind": kindOf}).Parse(htmlSource))

// kindOf tells the template what a block is.
func kindOf(b Block) string { return strings.TrimPrefix(fmt.Sprintf("%T", b), "runbook.") }

// HTML writes the page as one file that needs nothing else: no script, no
// style sheet, no picture of another place.
func HTML(p Page) (string, error) {
	var b strings.Builder
	if err := htmlTemplate.Execute(&b, p); err != nil {
		return "", fmt.Errorf("write the page as HTML: %w", err)
	}
	return b.String(), nil
}
