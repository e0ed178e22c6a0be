package mysql

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// What SHOW CREATE prints of a routine, trigger or event cannot be run as it
// is in all sessions. The server keeps the body as the bytes that a client once
// sent, in that client's character set, and puts a header before it that is
// always UTF-8, and whose comment is always escaped by backslashes. Run in the
// session that the object is created in, a name would come in as other
// characters, and a comment, under NO_BACKSLASH_ESCAPES, with twice as many
// backslashes. settleHeader makes the text one that means the same there.

// header says what is known of an object's header beside its text.
type header struct {
	comment string // in UTF-8
	returns string // the type that a function returns, in UTF-8
}

func (c *catalog) settleHeader(ctx context.Context, o *object, h header) error {
	if slices.Contains(strings.Split(o.SQLMode, ","), "NO_BACKSLASH_ESCAPES") && h.comment != "" {
		plain := "COMMENT '" + strings.ReplaceAll(h.comment, "'", "''") + "'"
		o.Create = bytes.Replace(o.Create, []byte(shownComment(h.comment)), []byte(plain), 1)
	}
	if slices.Contains(unicodeClients, o.CharacterSet) {
		return nil
	}
	for _, part := range headerParts(o, h) {
		if part == "" || isASCII(part) {
			continue
		}
		sent, err := c.convert(ctx, part, o.CharacterSet)
		if err != nil {
			return fmt.Errorf("%s %q: %w", strings.ToLower(o.Type), o.Name, err)
		}
		o.Create = bytes.Replace(o.Create, []byte(part), sent, 1)
	}
	return nil
}

// unicodeClients send what the server shows. The bytes of a binary client are
// taken as they are.
var unicodeClients = []string{"utf8mb4", "utf8mb3", "utf8", "binary"}

// headerParts returns what stands in UTF-8 before the body: all up to the
// parameters of a routine, which are of the body's character set, the type that
// it returns and its comment; all up to the body of a trigger or an event.
func headerParts(o *object, h header) []string {
	text := string(o.Create)
	end := 0
	switch o.Type {
	case typeProcedure, typeFunction:
		end = skipQuoted(text, 0, '(')
	case typeTrigger:
		end = afterWord(text, " FOR EACH ROW ")
	case typeEvent:
		end = afterWord(text, " DO ")
	}
	parts := []string{text[:max(0, end)]}
	if o.Type == typeProcedure || o.Type == typeFunction {
		if h.returns != "" {
			parts = append(parts, " RETURNS "+h.returns)
		}
		if h.comment != "" {
			parts = append(parts, shownComment(h.comment), "COMMENT '"+strings.ReplaceAll(h.comment, "'", "''")+"'")
		}
	}
	return parts
}

// shownComment is how SHOW CREATE prints a comment, whatever the sql_mode.
func shownComment(comment string) string { return "COMMENT '" + memberEscapes.Replace(comment) + "'" }

// afterWord returns the end of the first word outside of quotes, or 0.
func afterWord(text, word string) int {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '`', '\'', '"':
			i = closing(text, i)
		default:
			if strings.HasPrefix(text[i:], word) {
				return i + len(word)
			}
		}
	}
	return 0
}

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r > 127 })
}

// convert asks the server for a text in another character set.
func (c *catalog) convert(ctx context.Context, text, charset string) ([]byte, error) {
	r, err := queryRecord(ctx, c.conn, "SELECT HEX(CONVERT(_utf8mb4 0x"+hex.EncodeToString([]byte(text))+" USING "+charset+")) AS text")
	if err != nil {
		return nil, err
	}
	return hex.DecodeString(r.text("text"))
}
