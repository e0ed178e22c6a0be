package repository

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/storage"
)

func TestSpansOfPoints(t *testing.T) {
	const jan1, jan2, jan9, feb9, feb9b = "20260101T000000Z-aaaa", "20260102T000000Z-aaaa", "20260109T000000Z-aaaa", "20260209T000000Z-aaaa", "20260209T000000Z-bbbb"
	tests := map[string]struct {
		points []string
		want   []storage.Span
	}{
		"no point":               {nil, nil},
		"one":                    {[]string{jan1}, []storage.Span{{From: jan1, To: jan1}}},
		"some of a week":         {[]string{jan1, jan2, jan9}, []storage.Span{{From: jan1, To: jan9}}},
		"a month without any":    {[]string{jan1, jan9, feb9, feb9b}, []storage.Span{{From: jan1, To: jan9}, {From: feb9, To: feb9b}}},
		"what is no point":       {[]string{"0", jan1, feb9, "3"}, []storage.Span{{From: "0", To: jan1}, {From: feb9, To: "3"}}},
		"nothing that is points": {[]string{"a", "b"}, []storage.Span{{From: "a", To: "b"}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, spansOf(tt.points)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// Where points are all far apart there are no more requests than some, at the widest
// gaps, and together they hold every point.
func TestSpansAreFew(t *testing.T) {
	var points []string
	at := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 200 {
		points = append(points, at.Format(idTime)+"-aaaa")
		if at = at.AddDate(0, 0, 15); i%20 == 19 {
			at = at.AddDate(0, 0, 15) // ten gaps are wider
		}
	}
	spans := spansOf(points)
	if len(spans) != mostSpans {
		t.Fatalf("%d spans, want %d", len(spans), mostSpans)
	}
	starts := map[string]bool{}
	for _, s := range spans {
		starts[s.From] = true
	}
	for i, p := range points {
		if !slices.ContainsFunc(spans, func(s storage.Span) bool { return s.Holds(p) }) {
			t.Errorf("no span holds %s", p)
		}
		if i > 0 && i%20 == 0 && !starts[p] {
			t.Errorf("no span begins after the wide gap before %s", p)
		}
	}
}

// everyHour is a storage that has a directory of each hour of some years.
type everyHour struct {
	storage.Storage

	names  []string
	listed atomic.Int64
}

func (e *everyHour) Dirs(_ context.Context, _ string, span storage.Span) (names []string, err error) {
	for _, name := range e.names {
		if span.Holds(name) {
			names = append(names, name)
		}
	}
	e.listed.Add(int64(len(names)))
	return names, nil
}

// What was decided about points that are long gone is not listed for those that stay:
// after years that alone would take longer than all else.
func TestStatesOfSweptPointsAreNotListed(t *testing.T) {
	var points []string
	now := time.Date(2025, 12, 31, 23, 0, 0, 0, time.UTC)
	for year := range 5 {
		points = append(points, now.AddDate(year-5, 0, 0).Format(idTime)+"-aaaa")
	}
	for month := range 11 {
		points = append(points, now.AddDate(0, 0, 30*(month-12)).Format(idTime)+"-aaaa")
	}
	for day := range 30 {
		points = append(points, now.AddDate(0, 0, day-30).Format(idTime)+"-aaaa")
	}
	slices.Sort(points)
	store := new(everyHour)
	for at := now.AddDate(-6, 0, 0); !at.After(now); at = at.Add(time.Hour) {
		store.names = append(store.names, at.Format(idTime)+"-aaaa")
	}
	got, err := (&Repository{store: store}).statesOf(t.Context(), points)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range points {
		if _, there := slices.BinarySearch(got, p); !there {
			t.Errorf("%s is not among them", p)
		}
	}
	if listed := store.listed.Load(); listed > 1000 {
		t.Errorf("%d of %d names were listed for the sake of %d points", listed, len(store.names), len(points))
	}
}
