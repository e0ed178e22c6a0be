package runbook

import (
	"os/exec"
	"strings"
	"testing"
	"time"
)

// facts of a point with one source, whose every name is name.
func facts(name, url string) Facts {
	templates := ParseTemplates(`{{define "say"}}printf '%s\0' {{q .}} >&3{{end}}`)
	step, err := templates.Step("say", "what source "+name+" says", name)
	if err != nil {
		panic(err)
	}
	gcs := ""
	if strings.HasPrefix(url, "gs://") {
		gcs = "https://example.com"
	}
	return Facts{
		Tool: "1.0", Written: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC),
		Point: Point{
			ID: "20261123T020000Z-k3vq", Instance: name, Stream: name, Started: time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC), Ended: time.Date(2026, 11, 23, 2, 5, 0, 0, time.UTC),
			Complete: true, Key: "abc", Signer: "RWQ", ManifestSHA256: "def", Doubts: []string{name}, Notes: []string{name},
		},
		Repository: Repository{ID: "xyz", URL: url, GCS: gcs},
		Openers:    []Opener{{Fingerprint: "1234", Use: name, Keys: 1, Of: 2}},
		Parts: []Part{{
			Source: name, Kind: "mysql", Dir: "points/20261123T020000Z-k3vq/main", Content: name, Target: name,
			Tools:     []Tool{{Program: "true", Package: "coreutils", Note: name}},
			Variables: []Variable{{Name: "MAIN_NAME", Value: name, About: name}, {Name: "MAIN_PASSWORD_FILE", Fill: true, File: true, About: name}},
			Lists:     []string{"points/20261123T020000Z-k3vq/main/x.json"},
			Sections:  []Section{{Title: name, Blocks: []Block{Text(Spans(name, Code(name))), List{Spans(Code(name))}, Warning(Spans(name)), Table{Header: []string{name}, Rows: [][][]Span{Row(Code(name))}}, step}}},
		}},
		Before: []string{name}, After: []string{name},
	}
}

// TestNamesSurvive makes a page of every nasty name: its blocks are shell, and
// the shell has the name as it was; and no form of the page is broken by it.
func TestNamesSurvive(t *testing.T) {
	for _, name := range nasty {
		for _, url := range []string{"/srv/" + name, "gs://bucket/" + name} {
			page, err := Write(facts(name, url))
			if err != nil {
				t.Fatal(err)
			}
			var script string
			for _, section := range page.Sections {
				for _, block := range section.Blocks {
					if shell, ok := block.(Shell); ok {
						requireSyntax(t, string(shell))
						script += string(shell)
					}
				}
			}
			variables, _, _ := strings.Cut(script, "stop() {")
			if got := runShell(t, variables+"printf '%s|%s' \"$MAIN_NAME\" \"$REPOSITORY\"\n"); got != name+"|"+url {
				t.Errorf("the variables of the page hold %q, want %q", got, name+"|"+url)
			}
			requireShell(t, name, page)
		}
	}
}

// requireShell requires that the Markdown holds exactly the page's shell blocks
// between its fences.
func requireShell(t *testing.T, name string, page Page) {
	t.Helper()
	var want, got []string
	for _, section := range page.Sections {
		for _, block := range section.Blocks {
			if shell, ok := block.(Shell); ok {
				want = append(want, string(shell))
			}
		}
	}
	fence := ""
	for line := range strings.Lines(Markdown(page)) {
		switch {
		case fence == "" && strings.HasPrefix(line, "```") && strings.HasSuffix(line, "`sh\n"):
			fence = strings.TrimSuffix(line, "sh\n")
			got = append(got, "")
		case fence != "" && line == fence+"\n":
			fence = ""
		case fence != "":
			got[len(got)-1] += line
		}
	}
	if strings.Join(got, "\x00") != strings.Join(want, "\x00") {
		t.Errorf("with the name %q the Markdown has %d shell blocks, want %d as they are", name, len(got), len(want))
	}
}

func requireSyntax(t *testing.T, script string) {
	t.Helper()
	for _, shell := range []string{"sh", "bash"} {
		cmd := exec.Command(shell, "-n")
		cmd.Stdin = strings.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s does not take the block: %v\n%s\n%s", shell, err, out, script)
		}
	}
}

func runShell(t *testing.T, script string) string {
	t.Helper()
	cmd := exec.Command("sh", "-s")
	cmd.Stdin = strings.NewReader(script)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("sh: %v\n%s", err, script)
	}
	return string(out)
}

// TestBlocksWait requires that each block names the one on which it follows, and
// that a failure in it ends the block alone.
func TestBlocksWait(t *testing.T) {
	s := new(steps)
	sections := s.number([]Section{{Blocks: []Block{
		Step{Body: "echo one\n", Done: "one"}, Step{Body: "false\necho never\n", Done: "two", Optional: true}, Step{Body: "echo three\n", Done: "three"},
	}}}, 0)
	functions, err := commonTemplates.Shell("functions", commonData{})
	if err != nil {
		t.Fatal(err)
	}
	script := "WORK=" + Quote(t.TempDir()) + "; mkdir -p \"$WORK/done\"\n" + string(functions)
	for _, b := range sections[0].Blocks {
		script += string(b.(Shell)) + "echo \"code $?\"\n"
	}
	want := "one\nOK: block 1: one\ncode 0\ncode 1\nthree\nOK: block 3: three\ncode 0\n"
	if got := runShell(t, script); got != want {
		t.Errorf("the blocks printed %q, want %q", got, want)
	}
	stopped := "WORK=" + Quote(t.TempDir()) + "; mkdir -p \"$WORK/done\"\n" + string(functions) + string(sections[0].Blocks[2].(Shell)) + "echo \"code $?\"\n"
	if got := runShell(t, stopped); got != "code 1\n" {
		t.Errorf("a block that follows on one that has not ended printed %q, want only its code", got)
	}
}

func TestPageSaysWhatMatters(t *testing.T) {
	page, err := Write(facts("main", "/srv/dr"))
	if err != nil {
		t.Fatal(err)
	}
	text := Markdown(page)
	for _, want := range []string{
		"# Restore point 20261123T020000Z-k3vq by hand\n", "10 hours and 0 minutes before this page was written", "| SHA-256 of the manifest | `def` |",
		"only 1 of the 2 keys that are needed", "MAIN_PASSWORD_FILE=''  # FILL IN: main\n", "> **Careful.** main\n", "\nrm -rf \"$WORK\"\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q:\n%s", want, text)
		}
	}
	html, err := HTML(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<h1>Restore point 20261123T020000Z-k3vq by hand</h1>", "<code>def</code>", "MAIN_PASSWORD_FILE=&#39;&#39;", `<p class="careful">`} {
		if !strings.Contains(html, want) {
			t.Errorf("the HTML does not say %q", want)
		}
	}
}

func TestHTMLShowsNamesAsTheyAre(t *testing.T) {
	page, err := Write(facts(`<script>alert("x")</script> & 'y'`, "/srv/dr"))
	if err != nil {
		t.Fatal(err)
	}
	html, err := HTML(page)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(html, "<script") || !strings.Contains(html, "&lt;script&gt;") {
		t.Error("a name has become markup")
	}
}

func TestMarkdownText(t *testing.T) {
	for text, want := range map[string]string{
		"plain": "plain", "openIM_v3": "openIM_v3", "_x_": `\_x\_`, "a*b": `a\*b`, "<b>": `\<b>`, "a|b": `a\|b`, "`x`": "\\`x\\`",
	} {
		if got := markdownText(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	for code, want := range map[string]string{
		"x": "`x`", "a`b": "``a`b``", "`": "`` ` ``", " a ": "`  a  `", "": "(empty)",
	} {
		if got := markdownCode(code); got != want {
			t.Errorf("code %q becomes %q, want %q", code, got, want)
		}
	}
}
