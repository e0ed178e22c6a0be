package repository

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"filippo.io/age"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// maxWrap bounds one wrap.
const maxWrap = 1 << 20

// keyring opens run keys with the identities at hand, each once.
type keyring struct {
	contents   *contents
	identities []seal.Identity

	// destroyed says who has destroyed the keys of the point that is to be read.
	destroyed *State

	mu     sync.Mutex
	opened map[string]seal.Identity
	digest *seal.DigestKey
}

func newKeyring(stored *contents, identities []seal.Identity) *keyring {
	return &keyring{contents: stored, identities: identities, opened: map[string]seal.Identity{}}
}

// open returns the private half of a run key.
func (k *keyring) open(ctx context.Context, key string) (id seal.Identity, err error) {
	if s := k.destroyed; s != nil {
		return seal.Identity{}, fault.New(fault.Refused, "open point "+s.Point, "its keys were destroyed by %s at %s: %s", s.By, s.Time.UTC().Format(time.RFC3339), s.Reason).
			Hint("restore another point: nobody can open this one any more")
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if id, ok := k.opened[key]; ok {
		return id, nil
	}
	err = k.contents.try(ctx, func(place int, _ bool) (path string, err error) {
		id, path, err = k.openIn(ctx, k.contents.places[place], key)
		return path, err
	})
	if err != nil {
		return seal.Identity{}, err
	}
	k.opened[key] = id
	return id, nil
}

// openIn opens a run key with one of the wraps that stand in a place, and returns
// where that stands.
func (k *keyring) openIn(ctx context.Context, place storage.Reader, key string) (id seal.Identity, path string, err error) {
	var damaged error
	for _, with := range k.identities {
		path = wrapPath(key, with.Recipient().Fingerprint())
		wrapped, err := storage.Get(ctx, place, path, maxWrap)
		if errors.Is(err, storage.ErrNotExist) {
			continue
		}
		if err != nil {
			return seal.Identity{}, path, fmt.Errorf("read wrapped key: %w", err)
		}
		id, err := seal.Unwrap(wrapped, []seal.Identity{with})
		if err == nil && id.Recipient().KeyID() != key {
			err = fmt.Errorf("%w: it holds another key", seal.ErrAltered)
		}
		if err != nil {
			damaged = fault.New(fault.Corrupt, "open key "+shortKey(key), "its wrap for %s: %w", with.Recipient().Fingerprint(), err)
			continue // another identity may have a wrap that is whole
		}
		return id, path, nil
	}
	if damaged != nil {
		return seal.Identity{}, path, damaged
	}
	return seal.Identity{}, path, k.noKey(ctx, place, key)
}

// shortKey is enough of a key's name for a person. A manifest that nobody
// trusted may name anything.
func shortKey(key string) string { return key[:min(12, len(key))] }

// noKey says for whom the key was wrapped.
func (k *keyring) noKey(ctx context.Context, place storage.Reader, key string) error {
	found, err := wraps(ctx, place, key)
	if err != nil {
		return err
	}
	holders := slices.Sorted(maps.Keys(found))
	if len(holders) == 0 {
		return fault.New(fault.Corrupt, "open key "+shortKey(key), "no wrap of it is left in the repository").
			Hint("restore another point: what was sealed to this key cannot be read any more")
	}
	if len(k.identities) == 0 {
		return fault.New(fault.Usage, "open key "+shortKey(key), "no identity is given; it is wrapped for %s", strings.Join(holders, ", ")).
			Hint("give an operator's private key with --identity FILE; the recovery kit lists the fingerprints")
	}
	var given []string
	for _, id := range k.identities {
		given = append(given, id.Recipient().Fingerprint())
	}
	return fault.New(fault.Usage, "open key "+shortKey(key), "%s (%s); it is wrapped for %s",
		k.noneOpens(), strings.Join(given, ", "), strings.Join(holders, ", ")).
		Hint("give an operator's private key with --identity FILE; the recovery kit lists the fingerprints")
}

// noneOpens says that no identity at hand fits.
func (k *keyring) noneOpens() string {
	switch n := len(k.identities); n {
	case 0:
		return "no identity is given"
	case 1:
		return "the identity given does not open it"
	default:
		return fmt.Sprintf("none of the %d identities given opens it", n)
	}
}

// identitiesFor returns what can open a file sealed to key: the identities
// themselves (index segments are sealed to the catalog identity too), and the
// run key, whose wrap is fetched only when the others do not fit.
func (k *keyring) identitiesFor(ctx context.Context, key string) []age.Identity {
	return append(seal.AgeIdentities(k.identities), &lazyIdentity{ctx, k, key})
}

// lazyIdentity lives for one call of age.Decrypt, whose interface takes no
// context of its own.
type lazyIdentity struct {
	ctx  context.Context
	ring *keyring
	key  string
}

// Unwrap implements age.Identity.
func (l *lazyIdentity) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	id, err := l.ring.open(l.ctx, l.key)
	if err != nil {
		return nil, &seal.KeyError{Err: err}
	}
	return id.Unwrap(stanzas)
}

// digestKey returns the repository's digest key.
func (k *keyring) digestKey(ctx context.Context) (key seal.DigestKey, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.digest != nil {
		return *k.digest, nil
	}
	err = k.contents.try(ctx, func(place int, _ bool) (path string, err error) {
		key, path, err = k.digestKeyIn(ctx, k.contents.places[place])
		return path, err
	})
	if err == nil {
		k.digest = &key
	}
	return key, err
}

func (k *keyring) digestKeyIn(ctx context.Context, place storage.Reader) (key seal.DigestKey, path string, err error) {
	for _, id := range k.identities {
		path = digestKeyPath(id.Recipient().Fingerprint())
		wrapped, err := storage.Get(ctx, place, path, maxWrap)
		if errors.Is(err, storage.ErrNotExist) {
			continue
		}
		if err != nil {
			return seal.DigestKey{}, path, fmt.Errorf("read digest key: %w", err)
		}
		plain, err := seal.Decrypt(wrapped, []seal.Identity{id})
		if err != nil || len(plain) != len(seal.DigestKey{}) {
			return seal.DigestKey{}, path, fault.New(fault.Corrupt, "open digest key", "its wrap for %s: %w", id.Recipient().Fingerprint(), seal.ErrAltered)
		}
		return seal.DigestKey(plain), path, nil
	}
	return seal.DigestKey{}, path, fault.New(fault.Usage, "open digest key", "%s", k.noneOpens()).
		Hint("the repository was created for other recipients or another catalog identity")
}
