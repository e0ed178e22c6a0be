package repository

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// readSigned reads a signed file, or returns nil where it is gone or cannot be
// what was written: the second is a finding.
func (a *Audit) readSigned(ctx context.Context, path string, claimed func([]byte) time.Time, roles ...seal.Role) (*signedFile, error) {
	signed, err := readSigned(ctx, a.store, path, a.options.Trust, claimed, roles...)
	switch {
	case errors.Is(err, storage.ErrNotExist):
		return nil, nil // swept meanwhile
	case errors.Is(err, storage.ErrChecksum):
		a.found.add(Finding{Kind: Altered, File: path, Expected: signedBy(roles...), Got: "bytes that do not fit their checksum"}, "")
		return nil, nil // see above
	default:
		return signed, err
	}
}

// forged reports a file whose signature does not count, and says what looks
// like the reason: a signature that is not there, or bytes that are not whole.
func (a *Audit) forged(ctx context.Context, path string, signed *signedFile, point string, roles ...seal.Role) error {
	kind := jsonDamage(signed.data, Forged)
	if kind == Forged && errors.Is(signed.untrusted, seal.ErrNoSignature) {
		_, err := a.store.Stat(ctx, path+signatureSuffix)
		if errors.Is(err, storage.ErrNotExist) {
			a.found.add(Finding{Kind: Missing, File: path + signatureSuffix, Expected: signedBy(roles...), Got: noSuchFile}, point)
			return nil
		}
		if err != nil {
			return err
		}
	}
	a.found.add(Finding{Kind: kind, File: path, Expected: signedBy(roles...), Got: signed.untrusted.Error()}, point)
	return nil
}

func signedBy(roles ...seal.Role) string {
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = string(r)
	}
	return "signed by a trusted " + strings.Join(names, " or ")
}

// jsonDamage tells a file that ends too early from one that was written over;
// otherwise is for what reads well.
func jsonDamage(data []byte, otherwise Damage) Damage {
	if json.Valid(data) {
		return otherwise
	}
	// Not json.Unmarshal: inside an escape it takes the end for a wrong character.
	err := json.NewDecoder(bytes.NewReader(data)).Decode(new(json.RawMessage))
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return Truncated
	}
	return Altered
}

// signedRecord looks at a record of the repository.
func (a *Audit) signedRecord(ctx context.Context, path string, at located) error {
	signed, err := a.readSigned(ctx, path, createdTime, seal.RoleOperator)
	if err != nil || signed == nil {
		return err
	}
	if signed.untrusted != nil {
		return a.forged(ctx, path, signed, "", seal.RoleOperator)
	}
	record, err := parseRecord(signed.data, int(at.number))
	if err != nil {
		a.found.add(Finding{Kind: Altered, File: path, Expected: "a record of the repository", Got: reasonOf(err)}, "")
		return nil
	}
	a.skip(record.Skipped, recordPath)
	return nil
}

// AuditDecisions looks at the states of points and at proofs, and at what both
// say about points that are not there any more.
func (a *Audit) AuditDecisions(ctx context.Context) error {
	if err := a.eachOf(ctx, placeState, a.state); err != nil {
		return err
	}
	a.decisionsGone()
	return a.eachOf(ctx, placeProof, a.proof)
}

// auditLog looks at the entries of the log, and learns whose wraps were taken away.
func (a *Audit) auditLog(ctx context.Context) error {
	return a.eachOf(ctx, placeLog, func(ctx context.Context, path string, at located) error {
		var e LogEntry
		ok, err := a.signedJSON(ctx, path, "", kindLog, logTime, &e, &e.Header, logRoles...)
		if err != nil || !ok {
			return err
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.left.note(&e)
		if e.Action.decides() {
			for _, point := range e.Points {
				a.logged[point]++
			}
		}
		for _, n := range e.NotCopied {
			a.swept[n.Point] = &n.Swept
		}
		return nil
	})
}

// decisionsGone finds points of which the log tells more decisions than there are
// records: each was recorded before the log had it, and none is ever deleted.
func (a *Audit) decisionsGone() {
	for point, want := range a.logged {
		if a.only != "" && a.only != point {
			continue
		}
		records := 0
		from, to := a.inv.below(stateDir + point + "/")
		_ = a.inv.each(from, to, func(_ int, path string) error { // fn fails never
			if at := locate(path); at.place == placeState && !at.signature {
				records++
			}
			return nil
		})
		if records < want {
			a.found.add(Finding{
				Kind: Missing, File: stateDir + point + "/", Expected: "a record of each of " + quantity.Count(want, "decision", "decisions") + " of which the log speaks", Got: quantity.Count(records, "record", "records"),
			}, point)
		}
	}
}

func (a *Audit) state(ctx context.Context, path string, at located) error {
	var s State
	ok, err := a.signedJSON(ctx, path, at.owner, kindState, stateTime, &s, &s.Header, seal.RolePruner, seal.RoleOperator)
	if err != nil || !ok {
		return err
	}
	a.skip(s.Skipped, func(n int) string { return statePath(at.owner, n) })
	if s.Change != Sweeping {
		return a.pointOf(ctx, path, at.owner)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.swept[at.owner] = s.link()
	return nil
}

// skip notes numbers of a series that a signed record says were never written.
func (a *Audit) skip(numbers []int, path func(n int) string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, n := range numbers {
		a.skipped[path(n)] = true
	}
}

// pointOf finds that a point is gone of which a signed file speaks, unless its
// sweeping was recorded.
func (a *Audit) pointOf(ctx context.Context, path, point string) error {
	if a.inv.has(manifestPath(point)) {
		return nil
	}
	swept, err := a.repo.sweptRecord(ctx, point)
	if err != nil || swept != nil {
		return err
	}
	_, err = a.store.Stat(ctx, manifestPath(point))
	if errors.Is(err, storage.ErrNotExist) {
		a.found.add(Finding{Kind: Missing, File: manifestPath(point), Expected: "the point of which " + path + " speaks", Got: noSuchFile}, point)
		return nil
	}
	return err
}

// shredded reports whether it was recorded that the keys of a point were
// destroyed on purpose.
func (a *Audit) shredded(ctx context.Context, m *Manifest) (bool, error) {
	if from, to := a.inv.below(stateDir + m.Point + "/"); from == to {
		return false, nil // as of nearly all points
	}
	p := &Point{Manifest: m}
	err := a.repo.loadStates(ctx, p)
	return p.Shredded != nil, err
}

// link is what a record of a sweeping says of the chain, which is never nil.
func (s *State) link() *Swept {
	if s.Swept == nil {
		return new(Swept)
	}
	return s.Swept
}

func (a *Audit) proof(ctx context.Context, path string, at located) error {
	var p Proof
	ok, err := a.signedJSON(ctx, path, at.owner, kindProof, endedTime, &p, &p.Header, proofRoles...)
	if err != nil || !ok {
		return err
	}
	a.mu.Lock()
	a.proven = append(a.proven, Proof{Header: p.Header, Set: p.Set, Heads: p.Heads})
	a.mu.Unlock()
	return a.pointOf(ctx, path, at.owner)
}

// signedJSON reads a signed file into what it must be. It is false where the
// file does not count, which is a finding, or is gone.
func (a *Audit) signedJSON(ctx context.Context, path, point, kind string, claimed func([]byte) time.Time, into any, header *Header, roles ...seal.Role) (bool, error) {
	signed, err := a.readSigned(ctx, path, claimed, roles...)
	if err != nil || signed == nil {
		return false, err
	}
	if signed.untrusted != nil {
		return false, a.forged(ctx, path, signed, point, roles...)
	}
	err = json.Unmarshal(signed.data, into)
	if here := (Header{kind, Format, a.repo.record.Repository, path}); err != nil || *header != here {
		got := fmt.Sprintf("the %s %q of repository %s", header.Kind, header.Path, header.Repository)
		a.found.add(Finding{Kind: Altered, File: path, Expected: fmt.Sprintf("the %s of that name", kind), Got: got}, point)
		return false, nil
	}
	return true, nil
}
