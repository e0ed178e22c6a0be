package mysql

import (
	"encoding/hex"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// quoteName quotes an identifier.
func quoteName(name string) string {
	return "`" + strings.ReplaceAll(name, "`", "``") + "`"
}

// quoteNames quotes identifiers and joins them with commas.
func quoteNames(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = quoteName(name)
	}
	return strings.Join(quoted, ", ")
}

// quoteText quotes a string for a session without NO_BACKSLASH_ESCAPES.
func quoteText(s string) string {
	return "'" + textEscapes.Replace(s) + "'"
}

// quoteTexts quotes strings and joins them with commas.
func quoteTexts(texts []string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = quoteText(text)
	}
	return strings.Join(quoted, ", ")
}

var textEscapes = strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\x00", `\0`, "\n", `\n`, "\r", `\r`, "\x1a", `\Z`)

// sqlText is the text of a statement as the server keeps it: in the character
// set of the client that once sent it, which need not be UTF-8.
type sqlText []byte

// rawText is how sqlText that is not UTF-8 stands in JSON.
type rawText struct {
	Base64 []byte `json:"base64"`
}

// MarshalJSON writes a string where the text is UTF-8, so that people can read
// it, and base64 in an object otherwise.
func (t sqlText) MarshalJSON() ([]byte, error) {
	if utf8.Valid(t) {
		return json.Marshal(string(t))
	}
	return json.Marshal(rawText{t})
}

// UnmarshalJSON reads both forms.
func (t *sqlText) UnmarshalJSON(data []byte) error {
	var s string
	if json.Unmarshal(data, &s) == nil {
		*t = sqlText(s)
		return nil
	}
	var raw rawText
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	*t = raw.Base64
	return nil
}

// hexLiteral returns a literal of the given character set that holds exactly
// these bytes, whatever the session's own character set.
func hexLiteral(charset string, value []byte) string {
	if len(value) == 0 {
		return "_" + charset + "''"
	}
	return "_" + charset + " 0x" + hex.EncodeToString(value)
}
