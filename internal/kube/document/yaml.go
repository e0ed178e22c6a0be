package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// yamlEncoder writes as YAML what JSON can hold, in a tenth of the time that the
// YAML library takes, which looks at each character a dozen times. It needs to know
// little for that: words without quotes, lines as a literal block, and quotes for all
// else.
type yamlEncoder struct {
	out bytes.Buffer
}

// encode returns the text of an object, which is valid until the next call.
func (e *yamlEncoder) encode(object map[string]any) ([]byte, error) {
	e.out.Reset()
	err := e.mapping(object, 0, false)
	return e.out.Bytes(), err
}

// indented is how much deeper than its parent a value stands.
const indented = 2

// value writes what stands behind a key or a dash at some depth.
func (e *yamlEncoder) value(v any, depth int) error {
	switch v := v.(type) {
	case map[string]any:
		if len(v) > 0 {
			e.out.WriteByte('\n')
			return e.mapping(v, depth+indented, false)
		}
		e.out.WriteString(" {}\n")
	case []any:
		return e.list(v, depth)
	case string:
		e.text(v, depth)
	case int64:
		e.out.WriteByte(' ')
		e.out.Write(strconv.AppendInt(e.out.AvailableBuffer(), v, 10))
		e.out.WriteByte('\n')
	default: // true, null, 0.5
		text, err := json.Marshal(v)
		e.out.WriteByte(' ')
		e.out.Write(text)
		e.out.WriteByte('\n')
		return err
	}
	return nil
}

// mapping writes keys in the order of their bytes; the first one where the writer
// stands, if it stands behind a dash.
func (e *yamlEncoder) mapping(object map[string]any, depth int, begun bool) error {
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if !begun {
			e.indent(depth)
		}
		begun = false
		if err := e.key(key); err != nil {
			return err
		}
		e.out.WriteByte(':')
		if err := e.value(object[key], depth); err != nil {
			return err
		}
	}
	return nil
}

func (e *yamlEncoder) list(items []any, depth int) error {
	if len(items) == 0 {
		e.out.WriteString(" []\n")
		return nil
	}
	e.out.WriteByte('\n')
	return e.sequence(items, depth)
}

func (e *yamlEncoder) sequence(items []any, depth int) error {
	for _, item := range items {
		e.indent(depth)
		e.out.WriteByte('-')
		var err error
		switch v := item.(type) {
		case map[string]any:
			e.out.WriteByte(' ')
			err = e.mapping(v, depth+indented, true)
			if len(v) == 0 {
				e.out.WriteString("{}\n")
			}
		case []any: // a list in a list stands deeper, one in a mapping does not
			err = e.list(v, depth+indented)
		default:
			err = e.value(v, depth)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (e *yamlEncoder) indent(depth int) {
	for range depth {
		e.out.WriteByte(' ')
	}
}

// longestKey is what a key may have, quoted, to be found by a reader of YAML.
const longestKey = 1000

func (e *yamlEncoder) key(key string) error {
	start := e.out.Len()
	e.word(key)
	if e.out.Len()-start > longestKey {
		return errKey
	}
	return nil
}

// errKey is a key that does not fit on its line.
var errKey = errors.New("a key that is too long")

// text writes a string behind a key or a dash.
func (e *yamlEncoder) text(s string, depth int) {
	if isLines(s) {
		e.lines(s, depth)
		return
	}
	e.out.WriteByte(' ')
	e.word(s)
	e.out.WriteByte('\n')
}

// word writes a string on the line on which the writer stands.
func (e *yamlEncoder) word(s string) {
	switch {
	case isPlain(s):
		e.out.WriteString(s)
	case isPrintable(s, ' '):
		e.quoted(s)
	default: // Go's escapes are YAML's too
		e.out.Write(strconv.AppendQuoteToASCII(e.out.AvailableBuffer(), s))
	}
}

// quoted writes a string in single quotes, in which nothing has a meaning but they
// themselves, doubled.
func (e *yamlEncoder) quoted(s string) {
	e.out.WriteByte('\'')
	e.out.WriteString(strings.ReplaceAll(s, "'", "''"))
	e.out.WriteByte('\'')
}

// lines writes a literal block.
func (e *yamlEncoder) lines(s string, depth int) {
	e.out.WriteString(" |")
	if s[0] == ' ' || s[0] == '\n' { // or else the first line would say how deep all are
		e.out.WriteByte('0' + indented)
	}
	body, ended := strings.CutSuffix(s, "\n")
	if !ended {
		e.out.WriteByte('-')
	}
	e.out.WriteByte('\n')
	for line := range strings.SplitSeq(body, "\n") {
		if line != "" {
			e.indent(depth + indented)
			e.out.WriteString(line)
		}
		e.out.WriteByte('\n')
	}
}

// isPrintable reports whether a string has nothing that YAML takes for the end of a
// line, or does not take at all, but for one character.
func isPrintable(s string, but rune) bool {
	for _, r := range s {
		if (r < ' ' || r > '~') && r != but && (r <= unicode.MaxASCII || r == utf8.RuneError || !unicode.IsPrint(r)) {
			return false
		}
	}
	return true
}

// isLines reports whether a literal block holds a text: several lines, of which the
// last is not empty.
func isLines(s string) bool {
	return strings.Contains(s, "\n") && s != "\n" && !strings.HasSuffix(s, "\n\n") && isPrintable(s, '\n')
}

// meanings are words that are no strings where they stand without quotes, in any
// version of YAML.
var meanings = []string{"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"}

// isPlain reports whether a string may stand without quotes: a word that begins as
// no number and no sign of YAML does.
func isPlain(s string) bool {
	if s == "" || !isLetter(s[0]) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isLetter(c) && (c < '0' || c > '9') && c != '.' && c != '/' && c != '-' && c != '+' && c != '=' && c != '_' {
			return false
		}
	}
	const longest = 5
	return len(s) > longest || !slices.Contains(meanings, strings.ToLower(s))
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
