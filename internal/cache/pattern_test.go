package cache

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/openim"
)

func TestOverlap(t *testing.T) {
	tests := map[string]struct {
		a, b string
		want bool
	}{
		"equal":                             {"A:*", "A:*", true},
		"one within the other":              {"A*", "A:B:*", true},
		"different beginnings":              {"A:*", "B:*", false},
		"one is the beginning of the other": {"GROUP_*", "GROUP_MAX_SEQ:*", true},
		"everything":                        {"*", "MAX_SEQ:*", true},
		"a star at the beginning":           {"*SEQ:*", "MAX_SEQ:*", true},
		"a star in the middle":              {"M*Q:*", "MAX_SEQ:*", true},
		"any one character":                 {"MAX?SEQ:*", "MAX_SEQ:*", true},
		"one character too many":            {"MAX?_SEQ:*", "MAX_SEQ:*", false},
		"a single key":                      {"MAX_SEQ:1", "MAX_SEQ:*", true},
		"the beginning alone":               {"MAX_SEQ:", "MAX_SEQ:*", true},
		"shorter than the beginning":        {"MAX_SEQ", "MAX_SEQ:*", false},
		"different ends":                    {"*:A", "*:B", false},
		"ends that meet":                    {"A*", "*B", true},
		"nothing":                           {"", "", true},
		"nothing and everything":            {"", "*", true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := overlap(tt.a, tt.b); got != tt.want {
				t.Errorf("overlap(%q, %q) is %t, want %t", tt.a, tt.b, got, tt.want)
			}
			if got := overlap(tt.b, tt.a); got != tt.want {
				t.Errorf("overlap(%q, %q) is %t, want %t", tt.b, tt.a, got, tt.want)
			}
		})
	}
}

// A key that two patterns match shows that they overlap, whatever they are.
func TestPatternsOfACommonKeyOverlap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.StringMatching(`[AB:]{0,6}`).Draw(t, "key")
		a, b := generalised(t, key), generalised(t, key)
		if !matches(a, key) || !matches(b, key) {
			t.Fatalf("%q or %q does not match %q, from which both were made", a, b, key)
		}
		if !overlap(a, b) {
			t.Fatalf("%q and %q match %q, and do not overlap", a, b, key)
		}
	})
}

// generalised makes a pattern of a key.
func generalised(t *rapid.T, key string) string {
	var pattern strings.Builder
	for i := 0; i <= len(key); i++ {
		if rapid.IntRange(0, 3).Draw(t, "star") == 0 {
			pattern.WriteByte('*')
			i += rapid.IntRange(0, 2).Draw(t, "swallowed")
		}
		switch {
		case i >= len(key):
		case rapid.Bool().Draw(t, "any"):
			pattern.WriteByte('?')
		default:
			pattern.WriteByte(key[i])
		}
	}
	return pattern.String()
}

func TestMatches(t *testing.T) {
	tests := map[string]struct {
		pattern, key string
		want         bool
	}{
		"the key itself":         {"A:1", "A:1", true},
		"a prefix":               {"A:*", "A:1", true},
		"a prefix and no more":   {"A:*", "A:", true},
		"another prefix":         {"A:*", "B:1", false},
		"too short":              {"A:*", "A", false},
		"any one":                {"A?1", "A:1", true},
		"any one, and none":      {"A?", "A", false},
		"a star within":          {"A*1", "A:x:1", true},
		"a star within, no end":  {"A*1", "A:x:2", false},
		"bytes that are no text": {"A:*", "A:\xff\x00\n", true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := matches(tt.pattern, tt.key); got != tt.want {
				t.Errorf("matches(%q, %q) is %t, want %t", tt.pattern, tt.key, got, tt.want)
			}
		})
	}
}

func TestPatternsThatCouldMatchAProtectedKeyAreRefused(t *testing.T) {
	for _, pattern := range []string{"*", "M*", "*SEQ*", "MAX_SEQ:*", "MAX_SEQ:si_1_2", "?AX_SEQ:*", "GROUP_*", "UID*", "[M]AX_SEQ:*", `M\AX_SEQ:*`, ""} {
		t.Run(pattern, func(t *testing.T) {
			_, err := New(Settings{Name: "c", Address: "r:6379"}, Keys{Delete: []string{"USER_INFO:*", pattern}, Protect: openim.ProtectedKeys()})
			if fault.KindOf(err) != fault.Refused || !strings.Contains(err.Error(), `"`+pattern+`"`) {
				t.Errorf("error %v, want a refusal that names the pattern", err)
			}
		})
	}
}

// What OpenIM's patterns delete and what they protect are apart, and none of them
// deletes what another one does: counts would be wrong.
func TestOpenIMsPatternsAreApart(t *testing.T) {
	keys := Keys{Delete: openim.CacheKeys(true), Protect: openim.ProtectedKeys()}
	if err := keys.validate(); err != nil {
		t.Error(err)
	}
	for i, a := range keys.Delete {
		for _, b := range keys.Delete[i+1:] {
			if overlap(a, b) {
				t.Errorf("%s and %s overlap", a, b)
			}
		}
	}
}

func TestAListedKeyIsJudgedByItself(t *testing.T) {
	keys := Keys{Delete: []string{"A:*"}, Protect: []string{"A:keep*"}} // as if nobody had looked at the patterns
	tests := map[string]bool{"A:1": true, "A:keep": false, "A:keep:1": false, "B:1": false, "": false}
	for key, want := range tests {
		if got := keys.mayDelete("A:*", key); got != want {
			t.Errorf("%q may be deleted: %t, want %t", key, got, want)
		}
	}
}
