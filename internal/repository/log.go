package repository

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// LogAction is what was done to a repository.
type LogAction string

// Actions that leave an entry in the log. Those about single points leave a state
// record as well, which is what counts.
const (
	LogForget   LogAction = "forget"
	LogUndelete LogAction = "undelete"
	LogHold     LogAction = "hold"
	LogUnhold   LogAction = "unhold"
	LogShred    LogAction = "shred"
	LogRekey    LogAction = "rekey"
	LogSweep    LogAction = "sweep"
	LogCopy     LogAction = "copy"
)

// decides reports whether a state record of each point stands behind an entry.
func (a LogAction) decides() bool {
	switch a {
	case LogForget, LogUndelete, LogHold, LogUnhold, LogShred:
		return true
	default:
		return false
	}
}

// LogEntry says who did what to the repository, and why. Each is a file of its
// own: entries of the same moment do not stand in each other's way.
type LogEntry struct {
	Header
	ID     string    `json:"id"`
	Time   time.Time `json:"time"`
	By     string    `json:"by"`
	Tool   string    `json:"tool"`
	Action LogAction `json:"action"`
	Reason string    `json:"reason"`
	Points []string  `json:"points"` // that it was about
	// Added and Removed are, of a rekeying, the fingerprints of who was given
	// wraps of every key, and of who has lost them.
	Added   []string `json:"added,omitempty"`
	Removed []string `json:"removed,omitempty"`
	// Files and Bytes were deleted by a sweep, or written by a copy.
	Files int64 `json:"files,omitempty"`
	Bytes int64 `json:"bytes,omitempty"`
	// NotCopied are, in a copy, links of chains that it does not hold.
	NotCopied []NotCopied `json:"notCopied,omitempty"`
}

// NotCopied is a point that a copy does not hold, and the link that its chain lacks
// there.
type NotCopied struct {
	Point string `json:"point"`
	Swept
}

// logRoles may sign the log: who may decide about points.
var logRoles = stateRoles

func logPath(id string) string { return logDir + id + ".json" }

// AppendLog adds an entry to the log. Its time is given by the caller, and its id
// follows from that.
func AppendLog(ctx context.Context, store storage.Writer, repo *Repository, signer seal.Signer, e LogEntry) (*LogEntry, error) {
	e.Time = e.Time.UTC()
	e.ID = newPointID(e.Time)
	e.Points = listed(e.Points)
	e.Header = Header{kindLog, Format, repo.record.Repository, logPath(e.ID)}
	if err := putSigned(ctx, store, e.Path, &e, signer); err != nil {
		return nil, fmt.Errorf("log the %s: %w", e.Action, err)
	}
	return &e, nil
}

// Log calls fn for every entry that counts, oldest first. An error of fn ends it
// and is returned as it is.
func (r *Repository) Log(ctx context.Context, fn func(*LogEntry) error) error {
	return r.LogSince(ctx, time.Time{}, fn)
}

// LogSince is Log of the entries of one second and those after it. A log grows for
// ever, and so neither are the others read, nor, mostly, listed.
func (r *Repository) LogSince(ctx context.Context, since time.Time, fn func(*LogEntry) error) error {
	var ids []string
	first := since.UTC().Format(idTime)
	// Clocks differ, but hardly by a day.
	last := r.now().UTC().Add(24 * time.Hour).Format(idTime)
	err := r.store.List(ctx, logDir+sharedPrefix(first, last), func(i storage.Info) error {
		if at := locate(i.Name); at.place == placeLog && !at.signature && at.owner >= first {
			ids = append(ids, at.owner)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("list the log: %w", err)
	}
	for _, id := range ids {
		e, err := r.readLog(ctx, id)
		if err != nil {
			return err
		}
		if e == nil {
			continue
		}
		if err := fn(e); err != nil {
			return err
		}
	}
	return nil
}

// sharedPrefix is what two texts begin with.
func sharedPrefix(a, b string) string {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return a[:n]
}

// readLog returns an entry, or nil where it does not count or is gone.
func (r *Repository) readLog(ctx context.Context, id string) (*LogEntry, error) {
	path := logPath(id)
	signed, err := readSigned(ctx, r.store, path, r.trust, logTime, logRoles...)
	switch {
	case errors.Is(err, storage.ErrNotExist), errors.Is(err, storage.ErrChecksum):
		return nil, nil // "nothing was said" is an answer
	case err != nil:
		return nil, err
	}
	var e LogEntry
	here := Header{kindLog, Format, r.record.Repository, path}
	if signed.untrusted != nil || json.Unmarshal(signed.data, &e) != nil || e.Header != here || e.ID != id {
		return nil, nil // see above
	}
	return &e, nil
}

// logTime is the time that an entry gives itself.
func logTime(data []byte) time.Time {
	var e struct {
		Time time.Time `json:"time"`
	}
	if json.Unmarshal(data, &e) != nil {
		return time.Time{}
	}
	return e.Time
}

func findLog(rest string) located {
	id, ok := strings.CutSuffix(rest, ".json")
	if !ok || !isID(id) {
		return located{}
	}
	return located{place: placeLog, owner: id}
}

// departures reads from the log whose wraps were taken away since some time, and when
// that was last done.
func (r *Repository) departures(ctx context.Context, since time.Time) (departures, error) {
	left := departures{}
	err := r.LogSince(ctx, since, func(e *LogEntry) error {
		left.note(e)
		return nil
	})
	return left, err
}

// note takes over what a rekeying has done.
func (d departures) note(e *LogEntry) {
	if e.Action != LogRekey {
		return
	}
	for _, holder := range e.Removed {
		if e.Time.After(d[holder]) {
			d[holder] = e.Time
		}
	}
}

// remaining returns those operators who have not left since a run began.
func (d departures) remaining(operators []string, began time.Time) []string {
	return slices.DeleteFunc(slices.Clone(operators), func(holder string) bool { return d[holder].After(began) })
}
