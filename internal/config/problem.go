package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Problem is one thing wrong with a file. Text never holds the file's own.
type Problem struct {
	Line int
	Key  string // path of the key, as "sources[0].password"; empty for the whole file
	Text string
}

// String returns the problem on one line.
func (p Problem) String() string {
	if p.Key == "" {
		return fmt.Sprintf("line %d: %s", p.Line, p.Text)
	}
	return fmt.Sprintf("line %d: %s: %s", p.Line, p.Key, p.Text)
}

// Problems is all that is wrong with a file, in the order of its lines.
type Problems []Problem

// Error returns the first problem, and how many more there are.
func (p Problems) Error() string {
	switch len(p) {
	case 0:
		return "no problem"
	case 1:
		return p[0].String()
	default:
		return fmt.Sprintf("%s (and %d more)", p[0], len(p)-1)
	}
}

// sorted returns the problems as an error, or nil.
func (p Problems) sorted() error {
	if len(p) == 0 {
		return nil
	}
	slices.SortStableFunc(p, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	return p
}

// syntaxProblem says where the file is not YAML. Scanner and parser describe
// what they expected; what later stages say may quote the file.
func syntaxProblem(err error) Problem {
	var at *yaml.LoadError
	if !errors.As(err, &at) {
		return Problem{Line: 1, Text: "it is not one YAML document"}
	}
	p := Problem{Line: max(at.Mark.Line, 1), Text: "it is not one YAML document"}
	described := at.Stage == yaml.ScannerStage || at.Stage == yaml.ParserStage
	if described && !strings.Contains(at.Message, "found character '") {
		p.Text = "it is not YAML: " + at.Message
	}
	return p
}
