package repository

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/seal"
)

// RestoreStep is what a record of a restore is about.
type RestoreStep string

// Steps of a restore.
const (
	StepBegin    RestoreStep = "begin"    // the restore as a whole, once
	StepResume   RestoreStep = "resume"   // another process goes on with it
	StepRollback RestoreStep = "rollback" // the point of what will be overwritten
	StepStop     RestoreStep = "stop"     // what writes to the targets is stopped
	StepLoad     RestoreStep = "load"     // one source is brought back
	StepPurge    RestoreStep = "purge"    // caches are emptied
	StepCompare  RestoreStep = "compare"  // one source is held against its point
	StepRelease  RestoreStep = "release"  // what was stopped is started again
	StepEnd      RestoreStep = "end"      // nothing is left to be done
)

// RestoreState says how far a step has come. A step is noted as begun before it
// changes anything.
type RestoreState string

// States of a step.
const (
	StateBegun   RestoreState = "begun"
	StateGoingOn RestoreState = "going on" // the process that has begun it is alive
	StateDone    RestoreState = "done"
)

// RestoreRecord is one line of the journal of a restore: a numbered series, for
// people, and for the process that goes on where another one has ended. It is
// not signed; what it says is held against the targets and the point.
type RestoreRecord struct {
	Kind       string       `json:"kind"`
	Format     int          `json:"format"`
	Repository string       `json:"repository"`
	Restore    string       `json:"restore"`
	Number     int64        `json:"number"`
	Time       time.Time    `json:"time"`
	Host       string       `json:"host"`
	Tool       string       `json:"tool"`
	Step       RestoreStep  `json:"step"`
	State      RestoreState `json:"state"`
	Source     string       `json:"source,omitempty"`
	// Points are, in the first record, those that are restored, by source.
	Points map[string]string `json:"points,omitempty"`
	// Servers are, in the first record, what identifies the servers that the targets
	// are on, by source; of those that tell it.
	Servers map[string]string `json:"servers,omitempty"`
	// Targets are, in the first record, all that will be written to; in one of a load
	// that goes on, what it begins to write to.
	Targets []string `json:"targets,omitempty"`
	// Request is what was asked for, sealed to the key of the first of the
	// points: it may name objects and accounts. Only in the first record.
	Request []byte `json:"request,omitempty"`
	// Point is, at the end of a rollback step, the point that was taken.
	Point   string   `json:"point,omitempty"`
	Summary *Summary `json:"summary,omitempty"`
	Equal   *bool    `json:"equal,omitempty"`
	// Kept is, in a record of a load that goes on, what whoever goes on with it must
	// know: sealed as Request is, to the key of its own point.
	Kept []byte `json:"kept,omitempty"`
	// Lost is, at the end of a load, what could not be brought back since the point
	// is damaged, sealed in the same way: it names objects.
	Lost []byte `json:"lost,omitempty"`
	// Detail is for people: names of workloads, counts.
	Detail string `json:"detail,omitempty"`
}

// RestoresDir is where journals are kept.
const RestoresDir = "restores/"

// NewRestoreID names one restore; ids sort by time.
func NewRestoreID(at time.Time) string { return newPointID(at) }

// RestorePath is where a record of a restore stands. The number has twelve
// digits.
func RestorePath(restore string, n int64) string {
	return fmt.Sprintf("%s%s/%012d.json", RestoresDir, restore, n)
}

var restorePath = regexp.MustCompile(`^restores/([^/]+)/([0-9]{12})\.json$`)

// RestoreOf reads a path of RestorePath.
func RestoreOf(path string) (restore string, n int64, ok bool) {
	match := restorePath.FindStringSubmatch(path)
	if match == nil || !isID(match[1]) {
		return "", 0, false
	}
	if _, err := fmt.Sscanf(match[2], "%d", &n); err != nil {
		return "", 0, false
	}
	return match[1], n, true
}

// CompleteRestoreRecord fills in what is the same in every record.
func (r *Repository) CompleteRestoreRecord(record *RestoreRecord) {
	record.Kind, record.Format, record.Repository = kindRestore, Format, r.record.Repository
}

// IsRestoreRecord reports whether a record is one of this restore in this
// repository, or in one that it is a copy of: a restore that began there may be gone
// on with here.
func (r *Repository) IsRestoreRecord(record *RestoreRecord, restore string, n int64) bool {
	return record.Kind == kindRestore && record.Format == Format && slices.Contains(r.record.Homes, record.Repository) &&
		record.Restore == restore && record.Number == n
}

// Seal seals a few bytes to the point's own key: whoever can open the point can
// open them.
func (s *SourceReader) Seal(ctx context.Context, plain []byte) ([]byte, error) {
	key, err := s.ring.open(ctx, s.point.Keys.Point)
	if err != nil {
		return nil, err
	}
	return seal.Encrypt(plain, key.Recipient())
}

// Unseal opens what Seal has sealed.
func (s *SourceReader) Unseal(ctx context.Context, sealed []byte) ([]byte, error) {
	key, err := s.ring.open(ctx, s.point.Keys.Point)
	if err != nil {
		return nil, err
	}
	plain, err := seal.Decrypt(sealed, []seal.Identity{key})
	if err != nil {
		return nil, fault.New(fault.Corrupt, "open what was sealed to point "+s.point.Point, "%w", err)
	}
	return plain, nil
}
