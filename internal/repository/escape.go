package repository

import (
	"fmt"
	"strings"
)

// maxElement bounds one element of an escaped name. File systems allow 255
// bytes; the rest is for suffixes.
const maxElement = 200

// FileName escapes a name that comes from a user (a source, schema, table,
// bucket or namespace), so that any name is safe in a path, none collides
// with a name of the format, and two names never differ only in case:
//
//   - a-z, 0-9, '_' and '-' stand for themselves;
//   - an ASCII capital is '+' and its small letter;
//   - every other byte, and a '-' in first place, is '=' and two hex digits;
//   - the empty name is "=";
//   - after 200 bytes, '~' and '/' go on in a further directory.
//
// No escaped name holds a dot, so names with a suffix are the format's own.
func FileName(name string) string {
	if name == "" {
		return "="
	}
	var b strings.Builder
	element := 0
	for i := range len(name) {
		unit := escapeByte(name[i], i == 0)
		if element+len(unit) > maxElement {
			b.WriteString("~/")
			element = 0
		}
		b.WriteString(unit)
		element += len(unit)
	}
	return b.String()
}

func escapeByte(c byte, first bool) string {
	switch {
	case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '_', c == '-' && !first:
		return string(rune(c))
	case 'A' <= c && c <= 'Z':
		return "+" + string(rune(c-'A'+'a'))
	default:
		return fmt.Sprintf("=%02x", c)
	}
}

// ParseFileName reverses FileName.
func ParseFileName(escaped string) (string, error) {
	if escaped == "=" {
		return "", nil
	}
	var b strings.Builder
	for rest := strings.ReplaceAll(escaped, "~/", ""); rest != ""; {
		var c, n int
		switch {
		case rest[0] == '+' && len(rest) >= 2 && 'a' <= rest[1] && rest[1] <= 'z':
			c, n = int(rest[1]-'a'+'A'), 2
		case rest[0] == '=' && len(rest) >= 3:
			if _, err := fmt.Sscanf(rest[1:3], "%02x", &c); err != nil {
				return "", fmt.Errorf("%q is not an escaped name", escaped)
			}
			n = 3
		default:
			c, n = int(rest[0]), 1
		}
		b.WriteByte(byte(c))
		rest = rest[n:]
	}
	if FileName(b.String()) != escaped {
		return "", fmt.Errorf("%q is not an escaped name", escaped)
	}
	return b.String(), nil
}
