package runbook

import (
	"strconv"
	"strings"
	"unicode"
)

// Quote returns a word that sh reads as s, whatever s holds; no shell word can
// hold NUL.
func Quote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// visible is a text for people to read: what a terminal or a page would not
// show, or would act upon, is shown by its escape.
func visible(s string) string {
	if !strings.ContainsFunc(s, isHidden) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if isHidden(r) {
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// isHidden also holds for marks that reverse the direction of what follows.
func isHidden(r rune) bool { return r != ' ' && !unicode.IsGraphic(r) || unicode.Is(unicode.Cf, r) }

// comment is a text that fits behind a # in one line.
func comment(s string) string { return strings.Join(strings.Fields(visible(s)), " ") }
