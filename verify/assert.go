package verify

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

// Assertion is something that is expected of the restored copy. Exactly one of
// Query with Want, Query with Within, RowsDrop and Run says what.
type Assertion struct {
	Name   string
	Source string
	Query  string  // returns one value
	Want   *string // nil: anything but 0, nothing and NULL
	// Newest says that Query returns the newest time of the data, and Within how
	// long before the capture that may be.
	Newest bool
	Within time.Duration
	Zone   *time.Location // of a time without a zone; nil: UTC
	// RowsDrop is the share by which a table may have shrunk since Before.
	RowsDrop *float64
	Before   *repository.Proof // nil: there is none yet
	Run      func(ctx context.Context) error
}

// assert holds the expectations against the copy. One that cannot be asked does
// not hold.
func (r *run) assert(ctx context.Context) error {
	for _, a := range r.Assertions {
		if !r.concerns(a) {
			r.outcome.Warnings = append(r.outcome.Warnings, fmt.Sprintf("assertion %q was not asked: %s is not in this drill", a.Name, a.Source))
			continue
		}
		passed, detail := r.ask(ctx, a)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		r.proof.Assertions = append(r.proof.Assertions, repository.ProofAssertion{Name: a.Name, Source: a.Source, Passed: passed, Detail: detail})
	}
	return nil
}

// concerns reports whether the drill restores what an assertion is about.
func (r *run) concerns(a Assertion) bool {
	return a.Source == "" || slices.ContainsFunc(r.Scratch, func(s Scratch) bool { return s.Name == a.Source })
}

func (r *run) ask(ctx context.Context, a Assertion) (passed bool, detail string) {
	switch {
	case a.Run != nil:
		if err := a.Run(ctx); err != nil {
			return false, err.Error()
		}
		return true, "the command succeeded"
	case a.RowsDrop != nil:
		return r.rowsHeld(a)
	}
	value, err := r.value(ctx, a)
	switch {
	case err != nil:
		return false, err.Error()
	case a.Newest:
		return r.newest(a, value)
	case a.Want != nil:
		return value != nil && *value == *a.Want, outcomeOf(value != nil && *value == *a.Want, "the expected value")
	default:
		holds := value != nil && *value != "" && *value != "0"
		return holds, outcomeOf(holds, "true")
	}
}

// outcomeOf says how a value was, without saying what it was: a proof is plain.
func outcomeOf(holds bool, what string) string {
	if holds {
		return "the query returned " + what
	}
	return "the query did not return " + what
}

// value asks for one value.
func (r *run) value(ctx context.Context, a Assertion) (*string, error) {
	at := slices.IndexFunc(r.Scratch, func(s Scratch) bool { return s.Name == a.Source })
	if at < 0 {
		return nil, fmt.Errorf("the drill has no source %q", a.Source)
	}
	querier, ok := r.Scratch[at].Restorer.(source.Querier)
	if !ok {
		return nil, fmt.Errorf("source %q answers no queries", a.Source)
	}
	var value *string
	rows := 0
	err := querier.Query(ctx, a.Query, func(row []*string) error {
		if rows++; rows > 1 || len(row) != 1 {
			return errOneValue
		}
		if row[0] != nil {
			text := *row[0]
			value = &text
		}
		return nil
	})
	if err == nil && rows == 0 {
		err = errOneValue
	}
	return value, err
}

var errOneValue = fmt.Errorf("the query did not return one row with one column")

// layouts are how servers print times.
var layouts = []string{"2006-01-02 15:04:05.999999", time.RFC3339Nano, "2006-01-02"}

// newest holds the newest time of the data against the capture.
func (r *run) newest(a Assertion, value *string) (bool, string) {
	if value == nil {
		return false, "there is no row"
	}
	at := slices.IndexFunc(r.proof.Set, func(p repository.ProofPoint) bool { return p.Source == a.Source })
	zone := time.UTC
	if a.Zone != nil {
		zone = a.Zone
	}
	for _, layout := range layouts {
		newest, err := time.ParseInLocation(layout, *value, zone)
		if err != nil {
			continue
		}
		age := r.proof.Set[at].Ended.Sub(newest)
		seconds := max(0, age.Seconds())
		if r.proof.RPO.DataSeconds == nil || *r.proof.RPO.DataSeconds > seconds {
			r.proof.RPO.DataSeconds = &seconds
		}
		return age <= a.Within, fmt.Sprintf("the newest row is of %s, %s before the end of the capture; %s is allowed",
			newest.UTC().Format(time.RFC3339), age.Round(time.Second), a.Within)
	}
	return false, "what the query returned is no time"
}

// rowsHeld compares the number of rows of each table with the proof before.
func (r *run) rowsHeld(a Assertion) (bool, string) {
	if a.Before == nil {
		return true, "there is no proof before this one to compare with"
	}
	compared, fallen, first := 0, 0, ""
	for _, before := range a.Before.Comparisons {
		if before.Rows == 0 || a.Source != "" && before.Source != a.Source {
			continue
		}
		rows := int64(0)
		for _, now := range r.proof.Comparisons {
			if now.Source == before.Source && now.Name == before.Name {
				rows = now.Rows
			}
		}
		if !slices.ContainsFunc(r.Scratch, func(s Scratch) bool { return s.Name == before.Source }) {
			continue
		}
		compared++
		if float64(rows) < float64(before.Rows)*(1-*a.RowsDrop) {
			if fallen++; first == "" {
				first = fmt.Sprintf("%s has %d rows, and had %d", before.Name, rows, before.Rows)
			}
		}
	}
	if fallen > 0 {
		return false, fmt.Sprintf("%d of %s shrunk since %s: %s", fallen, quantity.Count(compared, "table has", "tables have"), a.Before.Started.UTC().Format(time.RFC3339), first)
	}
	return true, fmt.Sprintf("%s compared with the proof of %s", quantity.Count(compared, "table", "tables"), a.Before.Started.UTC().Format(time.RFC3339))
}
