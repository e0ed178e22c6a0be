package mysql

import (
	"regexp"
	"strings"
)

// Versions of 8.0 print some things in another way than later ones do, and mean
// the same: utf8 became utf8mb3 (8.0.24 to 8.0.30), and integers and YEAR lost
// the width that says nothing (8.0.19).
var (
	oldCharset = regexp.MustCompile(`\b(_?)utf8(_\w+)?\b`)
	oldWidth   = regexp.MustCompile(`\b(tinyint|smallint|mediumint|int|bigint|year)\((\d+)\)( unsigned)?( zerofill)?`)
)

// modern spells a definition the way that later versions do, so that one that
// was captured on an early 8.0 equals its copy. What stands between quotes is
// left as it is.
func modern(text string) string {
	var b strings.Builder
	for start := 0; start < len(text); {
		end := start + strings.IndexAny(text[start:], "`'\"")
		if end < start {
			b.WriteString(modernWords(text[start:]))
			break
		}
		b.WriteString(modernWords(text[start:end]))
		after := min(closing(text, end)+1, len(text))
		b.WriteString(text[end:after])
		start = after
	}
	return b.String()
}

func modernWords(text string) string {
	text = oldCharset.ReplaceAllString(text, "${1}utf8mb3${2}")
	return oldWidth.ReplaceAllStringFunc(text, func(column string) string {
		parts := oldWidth.FindStringSubmatch(column)
		// A width that is printed still: of booleans, and of what fills with zeros.
		if parts[1] == "tinyint" && parts[2] == "1" && parts[3] == "" || parts[4] != "" {
			return column
		}
		return parts[1] + parts[3]
	})
}
