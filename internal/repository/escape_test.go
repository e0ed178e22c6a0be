package repository_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/storage"
)

func TestFileName(t *testing.T) {
	tests := map[string]struct{ name, want string }{
		"plain":                    {"openim_enterprise", "openim_enterprise"},
		"capitals":                 {"openIM_v3", "open+i+m_v3"},
		"empty":                    {"", "="},
		"a dot":                    {"a.b", "a=2eb"},
		"nothing but dots":         {"..", "=2e=2e"},
		"a slash":                  {"a/b", "a=2fb"},
		"an option":                {"-rf", "=2drf"},
		"a dash inside":            {"a-b", "a-b"},
		"the characters of escape": {"+=~", "=2b=3d=7e"},
		"unicode":                  {"ü", "=c3=bc"},
		"a NUL":                    {"a\x00", "a=00"},
		"a reserved name":          {"manifest.json", "manifest=2ejson"},
		"long":                     {strings.Repeat("a", 201), strings.Repeat("a", 200) + "~/a"},
		"never cut inside a unit":  {strings.Repeat("a", 199) + "ü", strings.Repeat("a", 199) + "~/=c3=bc"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := repository.FileName(tt.name)
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			requireReversible(t, tt.name)
		})
	}
}

// names draws user-given names, nasty ones more often than not.
var names = rapid.OneOf(
	rapid.String(),
	rapid.StringOfN(rapid.SampledFrom([]rune("aAzZ09_-+=~/.\x00 ü漢")), 0, 300, -1),
	rapid.Custom(func(t *rapid.T) string { return string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")) }),
)

func TestFileNamesAreReversibleAndSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { requireReversible(t, names.Draw(t, "name")) })
}

func requireReversible(t rapid.TB, name string) {
	t.Helper()
	escaped := repository.FileName(name)
	got, err := repository.ParseFileName(escaped)
	if err != nil || got != name {
		t.Fatalf("%q escapes to %q, which is %q, %v", name, escaped, got, err)
	}
	if strings.Contains(escaped, ".") || strings.ToLower(escaped) != escaped {
		t.Fatalf("%q escapes to %q: dots are the format's own, capitals nobody's", name, escaped)
	}
	for element := range strings.SplitSeq(escaped, "/") {
		if n := len(element); n == 0 || n > 210 {
			t.Fatalf("%q escapes to an element of %d bytes", name, n)
		}
	}
	if len(escaped) < 1000 {
		if err := storage.CheckName(escaped); err != nil {
			t.Fatalf("%q escapes to %q: %v", name, escaped, err)
		}
	}
}

func TestFileNamesAreUniqueWhereCaseDoesNotCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := names.Draw(t, "a"), names.Draw(t, "b")
		if rapid.Bool().Draw(t, "differ only in case") {
			b = strings.ToUpper(a)
		}
		if a != b && strings.EqualFold(repository.FileName(a), repository.FileName(b)) {
			t.Fatalf("%q and %q are both %q", a, b, repository.FileName(a))
		}
	})
}

func FuzzParseFileName(f *testing.F) {
	for _, seed := range []string{"", "=", "a", "+a", "+", "=2e", "=2E", "=g0", "= 1", "=+1", "~/", "a~/b", "A", "a.b", "-a", "ü", strings.Repeat("a", 200) + "~/a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, escaped string) {
		name, err := repository.ParseFileName(escaped)
		if err == nil && repository.FileName(name) != escaped {
			t.Errorf("%q parses to %q, which escapes to %q", escaped, name, repository.FileName(name))
		}
	})
}
