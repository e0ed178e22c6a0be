package runbook

import (
	"os/exec"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// nasty are words that shells, Markdown and HTML take apart.
var nasty = []string{
	"", " ", "'", "''", `"`, `\`, `\'`, "`", "```", "$HOME", "$(date)", "!!", "#x", "~", "*", "?", "[a]", "{a,b}", "a b", "a\tb", "a\nb", "a\r\nb",
	"\n", "%s", "%", "-n", "--", ";", "&", "|", "<b>", "&lt;", "ünï", "中文", "😀", "\u202e", "\u200b", "\x01", "\x7f", "E'\\n'",
}

// TestQuote has sh read quoted words back: whatever stands in a name, it is what
// the shell hands on.
func TestQuote(t *testing.T) {
	requireReadBack(t, nasty)
	rapid.Check(t, func(t *rapid.T) {
		letter := rapid.OneOf(rapid.SampledFrom([]rune(`'"\$`+"`\n\t !#&|;<>(){}[]*?~%-=+")), rapid.Rune().Filter(func(r rune) bool { return r != 0 }))
		requireReadBack(t, rapid.SliceOfN(rapid.StringOf(letter), 1, 50).Draw(t, "words"))
	})
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func requireReadBack(t fataler, words []string) {
	t.Helper()
	var script strings.Builder
	script.WriteString("printf '%s\\0'")
	for _, word := range words {
		script.WriteString(" " + Quote(word))
	}
	cmd := exec.Command("sh", "-s")
	cmd.Stdin = strings.NewReader(script.String())
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("sh refuses %q: %v", words, err)
	}
	if want := strings.Join(words, "\x00") + "\x00"; string(out) != want {
		t.Fatalf("sh read %q, want %q", out, want)
	}
}

func TestVisible(t *testing.T) {
	for text, want := range map[string]string{
		"plain text": "plain text", "ünï中文😀": "ünï中文😀", "a\nb\tc": `a\nb\tc`, "right\u202eleft": `right\u202eleft`, "zero\u200bwidth": `zero\u200bwidth`, "\x07": `\a`,
	} {
		if got := visible(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}
