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

// Record says what a repository is. It is a numbered series signed by an
// operator; the highest trusted number counts.
type Record struct {
	Header
	Created time.Time `json:"created"`
	// CopyOf is the id of the repository that this one copies, or empty.
	CopyOf string `json:"copyOf,omitempty"`
	// Homes are the ids whose points may stand here: its own, and those it
	// takes copies from.
	Homes []string `json:"homes"`
	// Instances may write here.
	Instances []string `json:"instances"`
	// Requires names features without which the repository must not be read.
	Requires []string `json:"requires"`
	// Skipped are numbers before this one that a signature without its record had
	// taken, as a crash leaves it: no record of them is missing.
	Skipped []int `json:"skipped,omitempty"`
}

// features that this version knows; a reader refuses any other in "requires".
var features []string

// maxPlain bounds what is read of a plain file.
const maxPlain = 256 << 20

// InitOptions are what a new repository is made of.
type InitOptions struct {
	Instance string
	Signer   seal.Signer // must hold the role operator
	// DigestReaders get the digest key: operators, the daemon's catalog
	// identity and the drill.
	DigestReaders []seal.Recipient
	// Adopt adds the instance to a repository that exists.
	Adopt bool
	Trust seal.Trust
	Now   time.Time
}

// Init makes a repository, or with Adopt lets a further instance write into
// one. It is safe to repeat after a crash.
func Init(ctx context.Context, store storage.ReadWriter, o InitOptions) (*Record, error) {
	existing, n, err := readRecord(ctx, store, o.Trust)
	switch {
	case err == nil && !o.Adopt:
		return nil, fault.New(fault.Refused, "create repository", "there is one already, with id %s", existing.Repository).
			On(store.URL()).Hint("use it as it is; or let this instance write there too: openim-dr init --adopt")
	case err == nil:
		return adopt(ctx, store, existing, n, o)
	case !errors.Is(err, ErrNone):
		return nil, err
	case o.Adopt:
		return nil, fault.New(fault.Usage, "adopt repository", "there is none").On(store.URL()).Hint("create it: openim-dr init")
	}
	if err := requireEmpty(ctx, store); err != nil {
		return nil, err
	}
	record := &Record{
		Header:  Header{kindRepository, Format, randomName(26), recordPath(1)},
		Created: o.Now.UTC().Truncate(time.Second), Instances: []string{o.Instance}, Requires: []string{},
	}
	record.Homes = []string{record.Repository}
	key := seal.GenerateDigestKey()
	for _, r := range o.DigestReaders {
		wrapped, err := seal.Encrypt(key[:], r)
		if err != nil {
			return nil, fmt.Errorf("wrap digest key: %w", err)
		}
		if _, err := storage.Put(ctx, store, digestKeyPath(r.Fingerprint()), wrapped); err != nil {
			return nil, fmt.Errorf("write digest key: %w", err)
		}
	}
	if err := putSigned(ctx, store, record.Path, record, o.Signer); err != nil {
		return nil, err
	}
	return record, nil
}

func adopt(ctx context.Context, store storage.ReadWriter, record *Record, n int, o InitOptions) (*Record, error) {
	if slices.Contains(record.Instances, o.Instance) {
		return record, nil
	}
	record.Instances = append(record.Instances, o.Instance)
	record.Path = recordPath(n + 1)
	if err := putSigned(ctx, store, record.Path, record, o.Signer); err != nil {
		return nil, err
	}
	return record, nil
}

// requireEmpty refuses a prefix that holds anything but what the storage was tried
// with: an interrupted init of our own leaves only wrapped digest keys, which name no
// key that is in use.
func requireEmpty(ctx context.Context, store storage.Reader) error {
	found := errors.New("found")
	var name string
	err := store.List(ctx, "", func(i storage.Info) error {
		if name = i.Name; locate(name).place == placeProbe {
			return nil
		}
		return found
	})
	switch {
	case errors.Is(err, found):
		return fault.New(fault.Refused, "create repository", "it holds %q and is no repository", name).
			On(store.URL()).Hint("choose an empty prefix or directory; what an interrupted init left may be deleted by hand")
	case err != nil:
		return fmt.Errorf("list %s: %w", store.URL(), err)
	}
	return nil
}

// ErrNone means that there is no repository.
var ErrNone = errors.New("there is no repository")

// RequireInstance refuses an instance that has neither made the repository nor
// adopted it: what it would write or delete there is another one's.
func (r *Repository) RequireInstance(instance string) error {
	if slices.Contains(r.record.Instances, instance) {
		return nil
	}
	return fault.New(fault.Refused, "open repository", "it belongs to instance %s, not to %q", strings.Join(r.record.Instances, ", "), instance).
		On(r.URL()).Hint("use a prefix of its own; or let this instance write there too: openim-dr init --adopt")
}

// readRecord returns the record that counts and its number. With an empty
// trust the highest number counts unverified.
func readRecord(ctx context.Context, store storage.Reader, trust seal.Trust) (*Record, int, error) {
	numbers, err := series(ctx, store, repositoryDir)
	if err != nil {
		return nil, 0, fmt.Errorf("list %s: %w", store.URL(), err)
	}
	rejected := ErrNone
	for _, n := range slices.Backward(numbers) {
		signed, err := readSigned(ctx, store, recordPath(n), trust, createdTime, seal.RoleOperator)
		if err != nil {
			return nil, 0, fmt.Errorf("read repository record: %w", err)
		}
		// The signature first: whatever stands in a record that nobody trusted
		// has signed, it must not lock anybody out.
		if signed.untrusted == nil || trust.Empty() {
			record, err := parseRecord(signed.data, n)
			return record, n, err
		}
		rejected = fault.New(fault.Refused, "open repository", "%s: %w", recordPath(n), signed.untrusted).On(store.URL()).
			Hint("give the operator's public key with --trust, or in trustedSigners with the role operator")
	}
	return nil, 0, rejected
}

// createdTime is the time that a repository record gives itself.
func createdTime(data []byte) time.Time {
	var r Record
	if json.Unmarshal(data, &r) != nil {
		return time.Time{}
	}
	return r.Created
}

func parseRecord(data []byte, n int) (*Record, error) {
	var r Record
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fault.New(fault.Corrupt, "read repository record", "%s is not the JSON it must be: %w", recordPath(n), err)
	}
	if r.Kind != kindRepository || r.Path != recordPath(n) {
		return nil, fault.New(fault.Corrupt, "read repository record", "%s says that it is the %s %q", recordPath(n), r.Kind, r.Path)
	}
	if r.Format != Format {
		return nil, fault.New(fault.Usage, "open repository", "its format is %d, and this version of openim-dr reads format %d", r.Format, Format).
			Hint("use a version of openim-dr that knows this format")
	}
	if err := requireFeatures(r.Requires); err != nil {
		return nil, err
	}
	return &r, nil
}

func requireFeatures(needed []string) error {
	for _, f := range needed {
		if !slices.Contains(features, f) {
			return fault.New(fault.Usage, "read", "it requires %q, which this version of openim-dr does not know", f).
				Hint("use a newer version of openim-dr")
		}
	}
	return nil
}

// series lists the numbers below dir, ascending.
func series(ctx context.Context, store storage.Reader, dir string) ([]int, error) {
	var numbers []int
	err := store.List(ctx, dir, func(i storage.Info) error {
		if n, ok := seriesNumber(strings.TrimPrefix(i.Name, dir)); ok {
			numbers = append(numbers, n)
		}
		return nil
	})
	slices.Sort(numbers)
	return numbers, err
}
