package storage

import "strings"

// Span is a range of names in the order of their bytes. Both ends belong to it, and an
// empty one is none: the zero Span holds every name.
type Span struct{ From, To string }

// Holds reports whether a name is in it.
func (s Span) Holds(name string) bool { return name >= s.From && (s.To == "" || name <= s.To) }

// Beyond returns a key that comes after those of every directory which the span holds,
// or nothing where the span has no end: for drivers whose service lists keys below a
// bound. Directories a little further on may come before it, too: the key of "a/" is
// after that of "a-b/", and the name is before.
func (s Span) Beyond() string {
	if s.To == "" {
		return ""
	}
	end := strings.IndexFunc(s.To, func(r rune) bool { return r < '/' })
	if end < 0 {
		end = len(s.To)
	}
	return s.To[:end] + "0" // what comes after a slash
}
