package main

import (
	"testing"
	"time"
)

func TestUntil(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	tests := map[string]string{
		"2027-01-01":                "2027-01-01T00:00:00Z",
		"2027-01-01T08:00:00+08:00": "2027-01-01T00:00:00Z",
		"30d":                       "2026-12-27T12:00:00Z",
		"2026-11-27":                "",
		"0s":                        "",
		"soon":                      "",
	}
	for text, want := range tests {
		got, err := parseUntil(text, now)
		if (err == nil) != (want != "") || err == nil && got.Format(time.RFC3339) != want {
			t.Errorf("%s: %v, %v; want %q", text, got, err, want)
		}
	}
}
