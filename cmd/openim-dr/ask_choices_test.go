package main

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/repository"
)

// What is offered is what can be restored without overruling anything.
func TestChoicesOfAListing(t *testing.T) {
	now := time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)
	point := func(id, instance string, age time.Duration, sources ...string) *repository.Point {
		m := &repository.Manifest{}
		m.Point, m.Instance, m.Stream, m.Complete, m.Started = id, instance, "nightly", true, now.Add(-age)
		for _, s := range sources {
			m.Sources = append(m.Sources, repository.Source{Name: s, Complete: true})
		}
		return &repository.Point{Manifest: m}
	}
	untrusted, incomplete := point("3", "prod", 3*time.Hour, "main"), point("4", "prod", 2*time.Hour, "main")
	untrusted.Untrusted = errors.New("signed by nobody")
	incomplete.Complete = false
	listing := &repository.Listing{
		Points: []*repository.Point{
			point("1", "prod", 5*time.Hour, "main", "media"), point("2", "other", 4*time.Hour, "main"), untrusted, incomplete, point("5", "prod", time.Hour, "main"),
		},
		Broken: []repository.Broken{{ID: "6"}},
	}
	want := restoreChoices{
		latest: []sourceAge{{"main", time.Hour}, {"media", 5 * time.Hour}},
		points: []pointChoice{{"5", time.Hour, "nightly", []string{"main"}}, {"1", 5 * time.Hour, "nightly", []string{"main", "media"}}},
		left:   4,
	}
	opt := cmp.AllowUnexported(restoreChoices{}, sourceAge{}, pointChoice{}, targetChoice{})
	if diff := cmp.Diff(want, choicesOf(listing, "prod", now), opt); diff != "" {
		t.Errorf("choices (-want +got):\n%s", diff)
	}
}

func TestLatestLine(t *testing.T) {
	tests := map[string]struct {
		latest []sourceAge
		want   string
	}{
		"one source":      {[]sourceAge{{"main", time.Minute}}, "latest: main 1m old"},
		"of one age":      {[]sourceAge{{"main", time.Hour}, {"media", time.Hour}}, "latest: 1h0m old"},
		"of several ages": {[]sourceAge{{"main", time.Hour}, {"media", 72 * time.Hour}}, "latest: main 1h0m old, media 3 days old"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := latestLine(tt.latest); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
