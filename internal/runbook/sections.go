package runbook

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

func (w *writer) introduction() Section {
	return Section{Blocks: []Block{
		Text(Spans("This page brings one recovery point back with stock tools, should there be no openim-dr. It needs the repository or access to its storage, ",
			"an operator's private key, and the programs below. It was written on "+utc(w.Written)+" by openim-dr "+w.Tool+", and holds no secret. ",
			"Where you have openim-dr, use it: ", Code("openim-dr restore "+w.Point.ID+" --plan"), " shows what it would do, and it compares more than any page can.")),
		Text(Spans("Paste the blocks into one ", Code("sh"), " or ", Code("bash"), ", in order. Each of them ends with a line that begins with ", Code("OK"),
			", or with ", Code("STOP"), " and why; then mend what it names, and paste the same block again. No block begins before those that it needs have ended well. ",
			"In Markdown the page is a script, too, which ends at the first STOP: ",
			Code("sed -n '/^```sh$/,/^```$/p' PAGE.md | grep -v '^```' > page.sh"), ", edit its first lines, ", Code("sh -e page.sh"), ".")),
	}}
}

func utc(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

// age is rounded to what matters.
func age(d time.Duration) string {
	switch {
	case d < time.Hour:
		return Count(int64(d/time.Minute), "minute")
	case d < 48*time.Hour:
		return Count(int64(d/time.Hour), "hour") + " and " + Count(int64(d%time.Hour/time.Minute), "minute")
	default:
		return Count(int64(d/(24*time.Hour)), "day")
	}
}

func (w *writer) point() Section {
	p := w.Point
	complete := "yes"
	if !p.Complete {
		complete = "no"
	}
	rows := [][][]Span{
		Row("point", Code(p.ID)),
		{Spans("instance, stream"), Spans(Code(p.Instance), ", ", Code(p.Stream))},
		Row("captured", fmt.Sprintf("%s to %s, %s before this page was written", utc(p.Started), utc(p.Ended), age(w.Written.Sub(p.Started)))),
		Row("complete", complete),
		{Spans("repository"), Spans(Code(w.Repository.URL), ", id ", Code(w.Repository.ID))},
		Row("signed by", Code(orNobody(p.Signer))),
		Row("SHA-256 of the manifest", Code(p.ManifestSHA256)),
	}
	for i, o := range w.Openers {
		name := ""
		if i == 0 {
			name = "who can open it"
		}
		rows = append(rows, [][]Span{Spans(name), Spans("recipient ", Code(o.Fingerprint), o.notes())})
	}
	sources := Table{Header: []string{"source", "kind", "what it holds", "restored to"}}
	for _, part := range w.Parts {
		sources.Rows = append(sources.Rows, Row(Code(part.Source), part.Kind, part.Content, part.Target))
	}
	section := Section{Title: "The point", Blocks: []Block{Table{Header: []string{"", ""}, Rows: rows}, sources}}
	for _, doubt := range p.Doubts {
		section.Blocks = append(section.Blocks, Warning(Spans(doubt)))
	}
	if len(w.Openers) == 0 {
		section.Blocks = append(section.Blocks, Warning(Spans("No wrap of the point's key is left in the repository: nobody can open this point.")))
	}
	if len(p.Notes) > 0 {
		section.Blocks = append(section.Blocks, Text(Spans("What the manifest says besides:")), listOf(p.Notes))
	}
	return section
}

func (o Opener) notes() string {
	notes := ""
	if o.Use != "" {
		notes = ", " + o.Use
	}
	if o.Keys < o.Of {
		notes += fmt.Sprintf("; only %d of the %d keys that are needed", o.Keys, o.Of)
	}
	return notes
}

func orNobody(s string) string {
	if s == "" {
		return "nobody who is trusted"
	}
	return s
}

func listOf(lines []string) List {
	list := make(List, len(lines))
	for i, line := range lines {
		list[i] = Spans(line)
	}
	return list
}

// commonTools are used whatever is restored.
var commonTools = []Tool{
	{"age", "age", "1.1 or later; 1.3 for post-quantum keys (age1pq1…)"},
	{"age-keygen", "age", ""},
	{"minisign", "minisign", ""},
	{"zstd", "zstd", ""},
	{"jq", "jq", "1.6 or later"},
	{"sha256sum", "", ""},
	{"awk", "", ""},
	{"sed", "", ""},
	{"grep", "", ""},
}

// tools are those of the page and of all parts, each once.
func (w *writer) tools() []Tool {
	all := slices.Clone(commonTools)
	for _, part := range w.Parts {
		all = append(all, part.Tools...)
	}
	var once []Tool
	for _, t := range all {
		if !slices.ContainsFunc(once, func(o Tool) bool { return o.Program == t.Program }) {
			once = append(once, t)
		}
	}
	return once
}

func (w *writer) need() Section {
	programs := Table{Header: []string{"program", "Debian's package", "note"}}
	var usual, packages []string
	for _, t := range w.tools() {
		if t.Package == "" {
			usual = append(usual, t.Program)
			continue
		}
		programs.Rows = append(programs.Rows, Row(Code(t.Program), Code(t.Package), t.Note))
		if !slices.Contains(packages, t.Package) {
			packages = append(packages, t.Package)
		}
	}
	if w.Repository.GCS != "" {
		programs.Rows = append(programs.Rows, [][]Span{Spans(Code("gsutil")), Spans("Google Cloud CLI"),
			Spans("or ", Code("curl"), " with an access token")})
	}
	n := w.Needs
	files := Table{Header: []string{"what is fetched", "how much"}, Rows: [][][]Span{
		Row("files of the point alone", n.Own.String()),
		Row("its wrapped keys", n.Keys.String()),
	}}
	if len(w.lists()) > 0 {
		files.Rows = append(files.Rows, Row("segments of the index of objects", n.Index.String()), Row("packs of objects, shared with other points", n.Packs.String()))
	}
	total := Amount{n.Own.Files + n.Keys.Files + n.Index.Files + n.Packs.Files, n.Own.Bytes + n.Keys.Bytes + n.Index.Bytes + n.Packs.Bytes}
	files.Rows = append(files.Rows, Row("together", total.String()))
	section := Section{Title: "What you need", Blocks: []Block{
		Text(Spans("The file with your private key, on this machine. It is not in the cluster; the recovery kit says who holds one.")),
		programs,
		Text(Spans("On Debian: ", Code("apt-get install "+strings.Join(packages, " ")), "; what else is used, every Debian has: "+strings.Join(usual, ", ")+".")),
		files,
		Text(Spans("Each of these files is listed with its size and SHA-256 in the manifest, or in a list that the manifest names by its SHA-256. The blocks derive the lists ",
			"from there and read them line by line, so this page is not longer, and needs no more memory, for a hundred thousand packs.")),
		Warning(Spans("Rows, objects and keys lie in ", Code("$WORK"), " in the clear while you work: put it on an encrypted disk or in memory, and empty it in the end.")),
	}}
	if len(w.Before) > 0 {
		section.Blocks = append(section.Blocks, Text(Spans("Before anything is restored over a deployment that runs:")), listOf(w.Before))
	}
	return section
}

func (w *writer) afterwards() Section {
	section := Section{Title: "Afterwards"}
	if len(w.After) > 0 {
		section.Blocks = append(section.Blocks, listOf(w.After))
	}
	section.Blocks = append(section.Blocks,
		Text(Spans("Note what was restored and compared, and from which point. Then remove the plain text and the keys:")),
		Shell("rm -rf \"$WORK\"\n"))
	return section
}

// commentOf is what stands behind a variable.
func (v Variable) comment() string {
	about := comment(v.About)
	if v.Fill && v.Value == "" && v.Expression == "" {
		about = strings.TrimSpace("FILL IN: " + about)
	}
	if about == "" {
		return ""
	}
	return "  # " + about
}
