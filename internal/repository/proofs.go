package repository

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

const (
	// maxProof bounds one proof: some ten thousand tables.
	maxProof = 32 << 20
	// mostProofs bounds what is kept of the proofs of one point, and
	// mostNoProofs what is kept of the files that are none.
	mostProofs   = 50
	mostNoProofs = 5
)

// proofRoles may vouch for a proof. The one that is meant stands last: its
// name is what the refusal of a signature says.
var proofRoles = []seal.Role{seal.RoleOperator, seal.RoleDrill}

// NewDrillID names one drill; ids sort by time.
func NewDrillID(at time.Time) string { return newPointID(at) }

// MayProve fails unless a proof that the signer signs at some time would count:
// nobody wants to learn that at the end of a drill.
func (r *Repository) MayProve(signer seal.Signer, at time.Time) error {
	err := r.wouldCount(signer, at, proofRoles...)
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, seal.ErrUntrusted):
		return fault.New(fault.Usage, "sign proofs", "%w", err).Hint("the configuration's repository.signingKey names one: openim-dr keygen signing")
	default:
		return fault.New(fault.Usage, "sign proofs", "a proof by %s would not count: %w", signer, err).
			Hint("add the key to the configuration's trustedSigners with the role drill")
	}
}

// wouldCount fails with seal.ErrUntrusted unless the signer holds one of the roles
// at some time.
func (r *Repository) wouldCount(signer seal.Signer, at time.Time, roles ...seal.Role) error {
	signature, err := signer.Sign(nil, "")
	if err != nil {
		return err
	}
	for _, role := range roles {
		if _, err = r.trust.Verify(role, nil, signature, at); err == nil {
			return nil
		}
	}
	return err
}

// AppendProof writes the proof of a drill at points of its set, each copy signed
// for its own place. It overwrites nothing. A call that was cut off may be made
// again with the same proof: what is there already stays. A proof that would not
// count is not written.
func AppendProof(ctx context.Context, store storage.ReadWriter, repo *Repository, signer seal.Signer, points []string, p Proof) error {
	if _, err := PointTime(p.Drill); err != nil {
		return fmt.Errorf("write proof: name the drill: %w", err)
	}
	if err := repo.MayProve(signer, p.Ended); err != nil {
		return err
	}
	p.fillEmpty()
	for _, point := range points {
		if !slices.ContainsFunc(p.Set, func(s ProofPoint) bool { return s.Point == point }) {
			return fmt.Errorf("write proof of drill %s: point %s is not in its set", p.Drill, point)
		}
		p.Header, p.Point = Header{kindProof, Format, repo.record.Repository, ProofPath(point, p.Drill)}, point
		data, err := marshal(p)
		if err != nil {
			return err
		}
		if len(data) > maxProof {
			return fmt.Errorf("write proof of drill %s: it has %d bytes, and a reader takes no more than %d", p.Drill, len(data), maxProof)
		}
		if err := putSignedBytes(ctx, store, p.Path, data, signer); err != nil {
			return err
		}
	}
	return nil
}

// fillEmpty has lists be lists where they hold nothing.
func (p *Proof) fillEmpty() {
	p.Set, p.Servers, p.Comparisons, p.Truth = listed(p.Set), listed(p.Servers), listed(p.Comparisons), listed(p.Truth)
	p.Assertions, p.SelfTest, p.Heads, p.RTO.Parts = listed(p.Assertions), listed(p.SelfTest), listed(p.Heads), listed(p.RTO.Parts)
	if p.Keys != nil {
		p.Keys = &ProofKeys{listed(p.Keys.Identities), p.Keys.Points, listed(p.Keys.OneKey)}
	}
}

func listed[T any](list []T) []T { return append([]T{}, list...) }

// ReadProof returns the whole proof of a drill at a point. One that does not
// count is a fault.Corrupt error.
func (r *Repository) ReadProof(ctx context.Context, p *Point, drill string) (*Proof, error) {
	proof, _, err := r.readProof(ctx, p, drill)
	if errors.Is(err, errNoProof) {
		return nil, fault.New(fault.Corrupt, "read proof of drill "+drill+" of point "+p.Point, "%w", err)
	}
	return proof, err
}

// errNoProof: a file in the place of a proof proves nothing, neither good nor bad.
var errNoProof = errors.New("it does not count")

// readProof reads a proof and who has signed it, or returns errNoProof.
func (r *Repository) readProof(ctx context.Context, p *Point, drill string) (*Proof, string, error) {
	path := ProofPath(p.Point, drill)
	signed, err := readSigned(ctx, r.store, path, r.trust, endedTime, proofRoles...)
	switch {
	case errors.Is(err, storage.ErrNotExist), errors.Is(err, storage.ErrChecksum):
		return nil, "", fmt.Errorf("%w: %w", errNoProof, err)
	case err != nil:
		return nil, "", fmt.Errorf("read proof of drill %s of point %s: %w", drill, p.Point, err)
	case signed.untrusted != nil:
		return nil, "", fmt.Errorf("%w: it is %w", errNoProof, signed.untrusted)
	}
	var proof Proof
	if err := json.Unmarshal(signed.data, &proof); err != nil {
		return nil, "", fmt.Errorf("%w: it is not the JSON it must be: %w", errNoProof, err)
	}
	here := Header{kindProof, Format, r.record.Repository, path}
	if proof.Header != here || proof.Point != p.Point || proof.Drill != drill {
		return nil, "", fmt.Errorf("%w: it says that it is the %s %q of repository %s", errNoProof, proof.Kind, proof.Path, proof.Repository)
	}
	if !proof.isOf(p) {
		return nil, "", fmt.Errorf("%w: what was restored was another point than the one that is there", errNoProof)
	}
	return &proof, signed.signer, nil
}

// isOf reports whether it was this very point, to the byte of its manifest, that
// the drill restored from.
func (p *Proof) isOf(point *Point) bool {
	found := false
	for _, s := range p.Set {
		if s.Point != point.Point {
			continue
		}
		if s.SHA256 != point.SHA256 {
			return false
		}
		found = true
	}
	return found
}

// endedTime is the time that a proof gives itself.
func endedTime(data []byte) time.Time {
	var p struct {
		Ended time.Time `json:"ended"`
	}
	if json.Unmarshal(data, &p) != nil {
		return time.Time{}
	}
	return p.Ended
}

// loadProofs reads the proofs that stand at a point. A file that does not count
// is as if it were not there: whoever can write, but holds no key, can neither
// prove a point nor take its proof away.
func (r *Repository) loadProofs(ctx context.Context, p *Point) error {
	drills, err := r.drills(ctx, p.Point)
	if err != nil {
		return err
	}
	for _, drill := range slices.Backward(drills) {
		proof, signer, err := r.readProof(ctx, p, drill)
		switch {
		case errors.Is(err, errNoProof):
			if len(p.NoProofs) < mostNoProofs {
				p.NoProofs = append(p.NoProofs, fmt.Errorf("proof of drill %s: %w", drill, err))
			}
			continue
		case err != nil:
			return err
		}
		if brief := briefOf(proof, signer); len(p.Proofs) < mostProofs || p.lacks(brief) {
			p.Proofs = append(p.Proofs, brief)
		}
		if p.Proven = p.proven(); p.Proven != nil && len(p.Proofs) >= mostProofs {
			break
		}
	}
	return nil
}

// drills lists those whose proofs stand at a point, oldest first.
func (r *Repository) drills(ctx context.Context, point string) ([]string, error) {
	var drills []string
	err := r.store.List(ctx, proofDir(point), func(i storage.Info) error {
		drill, ok := strings.CutSuffix(strings.TrimPrefix(i.Name, proofDir(point)), ".json")
		if _, err := PointTime(drill); ok && err == nil && i.Size <= maxProof {
			drills = append(drills, drill)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list proofs of point %s: %w", point, err)
	}
	slices.Sort(drills)
	return drills, nil
}
