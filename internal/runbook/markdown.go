package runbook

import (
	"slices"
	"strings"
	"unicode"
)

// Markdown writes the page as CommonMark, with tables as GitHub has them.
func Markdown(p Page) string {
	var b strings.Builder
	b.WriteString("# " + markdownText(p.Title) + "\n")
	for _, s := range p.Sections {
		if s.Title != "" {
			b.WriteString("\n## " + markdownText(s.Title) + "\n")
		}
		for _, block := range s.Blocks {
			b.WriteString("\n")
			markdownBlock(&b, block)
		}
	}
	return b.String()
}

func markdownBlock(b *strings.Builder, block Block) {
	switch block := block.(type) {
	case Text:
		b.WriteString(markdownSpans(block) + "\n")
	case Warning:
		b.WriteString("> **Careful.** " + markdownSpans(block) + "\n")
	case List:
		for _, item := range block {
			b.WriteString("- " + markdownSpans(item) + "\n")
		}
	case Table:
		markdownTable(b, block)
	case Shell:
		fence := strings.Repeat("`", max(3, longestRun(string(block), '`')+1))
		b.WriteString(fence + "sh\n" + strings.TrimSuffix(string(block), "\n") + "\n" + fence + "\n")
	}
}

func markdownTable(b *strings.Builder, t Table) {
	row := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	header := make([]string, len(t.Header))
	rule := make([]string, len(t.Header))
	for i, h := range t.Header {
		header[i], rule[i] = markdownText(h), "---"
	}
	row(header)
	row(rule)
	for _, r := range t.Rows {
		cells := make([]string, len(r))
		for i, spans := range r {
			cells[i] = markdownSpans(inCell(spans))
		}
		row(cells)
	}
}

// inCell escapes the bar in code, too: it would end the cell.
func inCell(spans []Span) []Span {
	escaped := slices.Clone(spans)
	for i, s := range escaped {
		if s.Code {
			escaped[i].Text = strings.ReplaceAll(s.Text, "|", `\|`)
		}
	}
	return escaped
}

func markdownSpans(spans []Span) string {
	var b strings.Builder
	for _, s := range spans {
		if s.Code {
			b.WriteString(markdownCode(s.Text))
		} else {
			b.WriteString(markdownText(s.Text))
		}
	}
	return b.String()
}

// markdownCode fences code with more backticks than it holds, and keeps blanks
// at its ends, of which one is taken away.
func markdownCode(s string) string {
	if s == "" {
		return "(empty)"
	}
	fence := strings.Repeat("`", longestRun(s, '`')+1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") || strings.HasPrefix(s, " ") && strings.HasSuffix(s, " ") {
		s = " " + s + " "
	}
	return fence + s + fence
}

// markdownText escapes what would be markup. An underscore within a word is
// none, and names are easier to read without it.
func markdownText(s string) string {
	var b strings.Builder
	runes := []rune(s)
	for i, r := range runes {
		within := r == '_' && i > 0 && i < len(runes)-1 && isWord(runes[i-1]) && isWord(runes[i+1])
		if strings.ContainsRune("\\`*_[]<|&", r) && !within {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

func longestRun(s string, of rune) int {
	longest, run := 0, 0
	for _, r := range s {
		if run++; r != of {
			run = 0
		}
		longest = max(longest, run)
	}
	return longest
}
