package main

import (
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/config"
)

func TestDoctorWarnsOfASignerWhoseValidityEnds(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	tests := map[string]struct {
		notAfter time.Time
		warns    bool
	}{
		"no end":             {time.Time{}, false},
		"in half a year":     {now.AddDate(0, 6, 0), false},
		"in a week":          {now.AddDate(0, 0, 7), true},
		"it ended last year": {now.AddDate(-1, 0, 0), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := examineSigners([]config.TrustedSigner{{Key: "RW", NotAfter: tt.notAfter}}, now)
			if (len(got) == 1) != tt.warns {
				t.Errorf("findings %v, want a warning: %v", got, tt.warns)
			}
		})
	}
}
