package cache

import (
	"strings"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// Keys are patterns of keys, in which * stands for any characters and ? for one.
type Keys struct {
	Delete  []string
	Protect []string // wins
}

// validate refuses whatever could delete a protected key. Sets and escapes are
// refused too: servers differ in how they read them.
func (k Keys) validate() error {
	for _, pattern := range append(append([]string{}, k.Delete...), k.Protect...) {
		if pattern == "" || strings.ContainsAny(pattern, `[]\^`) {
			return refusedPattern(pattern, "it is not a pattern of characters, * and ?")
		}
	}
	for _, pattern := range k.Delete {
		for _, protected := range k.Protect {
			if overlap(pattern, protected) {
				return refusedPattern(pattern, "it could match keys of the pattern "+protected+", which must never be deleted")
			}
		}
	}
	return nil
}

func refusedPattern(pattern, why string) error {
	return fault.New(fault.Refused, "delete the keys that match", "%s", why).On(`"` + pattern + `"`).
		Hint("name what may be deleted more narrowly")
}

// mayDelete judges a single key by itself. What a server lists for a pattern is
// believed only so far.
func (k Keys) mayDelete(pattern, key string) bool {
	if !matches(pattern, key) {
		return false
	}
	for _, protected := range k.Protect {
		if matches(protected, key) {
			return false
		}
	}
	return true
}

// overlap reports whether any key could match both patterns.
func overlap(a, b string) bool {
	switch {
	case a == "" || b == "":
		return strings.Trim(a+b, "*") == ""
	case a[0] == '*':
		return overlap(a[1:], b) || overlap(a, b[1:])
	case b[0] == '*':
		return overlap(a, b[1:]) || overlap(a[1:], b)
	case a[0] == b[0] || a[0] == '?' || b[0] == '?':
		return overlap(a[1:], b[1:])
	}
	return false
}

// matches reports whether a pattern matches the whole key.
func matches(pattern, key string) bool {
	for pattern != "" {
		switch {
		case pattern == "*":
			return true
		case pattern[0] == '*':
			for i := range len(key) + 1 {
				if matches(pattern[1:], key[i:]) {
					return true
				}
			}
			return false
		case key == "" || pattern[0] != '?' && pattern[0] != key[0]:
			return false
		}
		pattern, key = pattern[1:], key[1:]
	}
	return key == ""
}
