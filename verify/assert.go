package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

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
	// Before returns the last full proof of an older state of a source; nil: there
	// is none yet.
	Before func(ctx context.Context, source string) (*repository.Proof, error)
	Run    func(ctx context.Context) error
}

// assert holds the expectations against the copy. One that cannot be asked does
// not hold.
func (r *run) assert(ctx context.Context) error {
	for _, a := range r.Assertions {
		if !r.concerns(a) {
			r.outcome.Warnings = append(r.outcome.Warnings, fmt.Sprintf("assertion %q was not asked: %s is not in this drill", a.Name, a.Source))
			continue
		}
		passed, detail, err := r.ask(ctx, a)
		if err != nil {
			r.outcome.Warnings = append(r.outcome.Warnings, fmt.Sprintf("assertion %q: %v", a.Name, err))
		}
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

// ask asks one assertion. The detail goes into the proof, which is plain: it has
// no value, and not what an error says; that is for the report.
func (r *run) ask(ctx context.Context, a Assertion) (passed bool, detail string, err error) {
	switch {
	case a.Run != nil:
		if err := a.Run(ctx); err != nil {
			return false, "the command did not succeed", err
		}
		return true, "the command succeeded", nil
	case a.RowsDrop != nil:
		return r.rowsHeld(ctx, a)
	}
	value, err := r.value(ctx, a)
	switch {
	case errors.Is(err, errOneValue):
		return false, err.Error(), nil
	case err != nil:
		return false, "the query could not be asked", err
	case a.Newest:
		passed, detail = r.newest(a, value)
		return passed, detail, nil
	case a.Want != nil:
		holds := value != nil && *value == *a.Want
		return holds, outcomeOf(holds, "the expected value"), nil
	default:
		holds := value != nil && isTrue(*value)
		return holds, outcomeOf(holds, "true"), nil
	}
}

// isTrue reports whether a value is neither nothing nor zero, however that is
// written.
func isTrue(value string) bool {
	if number, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil {
		return number != 0
	}
	return value != "" && !strings.EqualFold(value, "false")
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

var errOneValue = errors.New("the query did not return one row with one column")

// layouts are how servers print times.
var layouts = []string{"2006-01-02 15:04:05.999999", time.RFC3339Nano, "2006-01-02"}

// mostAhead is how far the newest row may be ahead of the capture: clocks differ.
const mostAhead = 5 * time.Minute

// newest holds the newest time of the data against the capture.
func (r *run) newest(a Assertion, value *string) (bool, string) {
	if value == nil {
		return false, "there is no row"
	}
	zone := time.UTC
	if a.Zone != nil {
		zone = a.Zone
	}
	for _, layout := range layouts {
		newest, err := time.ParseInLocation(layout, *value, zone)
		if err != nil {
			continue
		}
		age := r.captured(a.Source).Ended.Sub(newest)
		if age < -mostAhead {
			return false, fmt.Sprintf("the newest row is %s after the end of the capture: its clock is wrong, or zone is not the one in which it was written", (-age).Round(time.Second))
		}
		seconds := max(0, age.Seconds())
		if r.proof.RPO.DataSeconds == nil || *r.proof.RPO.DataSeconds < seconds {
			r.proof.RPO.DataSeconds = &seconds
		}
		return age <= a.Within, fmt.Sprintf("the newest row is %s older than the end of the capture, and %s is allowed", max(0, age).Round(time.Second), a.Within)
	}
	return false, "what the query returned is no time"
}

// rowsHeld compares the number of rows of each table with the proof before.
func (r *run) rowsHeld(ctx context.Context, a Assertion) (passed bool, detail string, err error) {
	compared, fallen, first := 0, 0, ""
	for _, s := range r.ofPhase(source.Databases) {
		if a.Source != "" && s.Name != a.Source {
			continue
		}
		before, err := a.Before(ctx, s.Name)
		if err != nil {
			return false, "the proof before could not be read", err
		}
		if before == nil {
			continue
		}
		now := r.rows(s.Name)
		for _, c := range before.Comparisons {
			if c.Source != s.Name || c.Rows == 0 {
				continue
			}
			compared++
			if float64(now[c.Name]) < float64(c.Rows)*(1-*a.RowsDrop) {
				if fallen++; first == "" {
					first = fmt.Sprintf("%s has %d rows, and had %d", c.Name, now[c.Name], c.Rows)
				}
			}
		}
	}
	switch {
	case fallen > 0:
		return false, fmt.Sprintf("%d of %d tables have shrunk: %s", fallen, compared, first), nil
	case compared == 0:
		return true, "nothing was compared: there is no full proof of an older state yet", nil
	default:
		return true, fmt.Sprintf("%d tables were compared with the proof before", compared), nil
	}
}

// rows returns how many rows each table of a source has.
func (r *run) rows(name string) map[string]int64 {
	rows := map[string]int64{}
	for _, c := range r.proof.Comparisons {
		if c.Source == name {
			rows[c.Name] = c.Rows
		}
	}
	return rows
}
