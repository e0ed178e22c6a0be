package spelling_test

import (
	"testing"

	"github.com/openim-dr/openim-dr/internal/spelling"
)

func TestMeant(t *testing.T) {
	keys := []string{"recipients", "retention", "url", "schemas"}
	tests := map[string]struct {
		typed, want string
		ok          bool
	}{
		"a letter is missing":   {"recipents", "recipients", true},
		"two are exchanged":     {"retnetion", "retention", true},
		"the singular":          {"schema", "schemas", true},
		"another word":          {"hunter2", "", false},
		"short, and one letter": {"uri", "url", true},
		"short, and two":        {"ugi", "", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, ok := spelling.Meant(tt.typed, keys)
			if ok != tt.ok || ok && got != tt.want {
				t.Errorf("got %q, %v; want %q, %v", got, ok, tt.want, tt.ok)
			}
		})
	}
	if _, ok := spelling.Meant("x", nil); ok {
		t.Error("of nothing, something is meant")
	}
}
