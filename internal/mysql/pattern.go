package mysql

import (
	"errors"
	"regexp"
	"strings"

	"github.com/openim-dr/openim-dr/internal/source"
)

// pattern is a name in which * stands for any characters and ? for one. A
// backslash takes the meaning from what follows it, so that every name can be
// written.
type pattern struct {
	text    string
	literal bool // it has no wildcard
	expr    *regexp.Regexp
}

// tablePattern is two patterns with a dot between them. A dot that belongs to
// a name has a backslash before it.
type tablePattern struct {
	text          string
	schema, table pattern
}

var errTablePattern = errors.New("is not SCHEMA.TABLE")

// newPattern reads a pattern. Where the server does not tell upper case from
// lower case in names, fold is true.
func newPattern(text string, fold bool) pattern {
	p := pattern{text: text, literal: true}
	var b strings.Builder
	b.WriteString("(?s")
	if fold {
		b.WriteString("i")
	}
	b.WriteString(")^")
	escaped := false
	for _, c := range text {
		switch {
		case !escaped && c == '\\':
			escaped = true
			continue
		case !escaped && c == '*':
			p.literal = false
			b.WriteString(".*")
		case !escaped && c == '?':
			p.literal = false
			b.WriteString(".")
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
		escaped = false
	}
	p.expr = regexp.MustCompile(b.String() + "$") // every part is quoted
	return p
}

func (p pattern) matches(name string) bool { return p.expr.MatchString(name) }

func newTablePattern(text string, fold bool) (tablePattern, error) {
	schema, table, found := cutPattern(text)
	if !found || schema == "" || table == "" {
		return tablePattern{}, errTablePattern
	}
	return tablePattern{text, newPattern(schema, fold), newPattern(table, fold)}, nil
}

// cutPattern cuts at the first dot that has no backslash before it.
func cutPattern(text string) (schema, table string, found bool) {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '.':
			return text[:i], text[i+1:], true
		}
	}
	return text, "", false
}

func (p tablePattern) matches(schema, table string) bool {
	return p.schema.matches(schema) && p.table.matches(table)
}

// all reports whether the pattern means every table of its schemas.
func (p tablePattern) all() bool { return p.table.text == "*" }

// wanted matches a table against what a restore chooses; a pattern without a
// dot means whole schemas. An empty table asks for the schema as a whole.
func wanted(want source.Selection, schema, table string) bool {
	matched := func(patterns []string) bool {
		for _, text := range patterns {
			if newPattern(text, false).matches(schema) {
				return true
			}
			p, err := newTablePattern(text, false)
			if err == nil && p.schema.matches(schema) && (table == "" && p.all() || table != "" && p.table.matches(table)) {
				return true
			}
		}
		return false
	}
	if matched(want.Exclude) {
		return false
	}
	return len(want.Include) == 0 || matched(want.Include)
}
