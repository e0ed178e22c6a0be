package repository

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// digestKeyID stands for the digest key among the ids of run keys.
const digestKeyID = "digest key"

// wrappedKey is a key with the wraps that a listing has found, by fingerprint.
type wrappedKey struct {
	id    string
	wraps map[string]storage.Info
}

func (k wrappedKey) has(fingerprint string) bool { _, ok := k.wraps[fingerprint]; return ok }

var (
	wrapPattern      = regexp.MustCompile(`^keys/([0-9a-f]{64})/([0-9a-f]{32})\.age$`)
	digestKeyPattern = regexp.MustCompile(`^repository/digest\.key\.([0-9a-f]{32})\.age$`)
)

// surveyKeys lists every key and its wraps, the digest key last. What else lies
// between them was planted by somebody, and is not handed on.
func surveyKeys(ctx context.Context, store storage.Reader) ([]wrappedKey, error) {
	var keys []wrappedKey
	err := store.List(ctx, keysDir, func(i storage.Info) error {
		parts := wrapPattern.FindStringSubmatch(i.Name)
		if parts == nil {
			return nil
		}
		if n := len(keys); n == 0 || keys[n-1].id != parts[1] {
			keys = append(keys, wrappedKey{parts[1], map[string]storage.Info{}})
		}
		keys[len(keys)-1].wraps[parts[2]] = i
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	digest := wrappedKey{digestKeyID, map[string]storage.Info{}}
	err = store.List(ctx, repositoryDir, func(i storage.Info) error {
		if parts := digestKeyPattern.FindStringSubmatch(i.Name); parts != nil {
			digest.wraps[parts[1]] = i
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list wraps of the digest key: %w", err)
	}
	return append(keys, digest), nil
}

// path is where the wrap for somebody stands.
func (k wrappedKey) path(fingerprint string) string {
	if k.id == digestKeyID {
		return digestKeyPath(fingerprint)
	}
	return wrapPath(k.id, fingerprint)
}

// check returns an error unless plain is what a wrap of the key must hold.
func (k wrappedKey) check(plain []byte) error {
	if k.id == digestKeyID {
		if len(plain) != len(seal.DigestKey{}) {
			return fmt.Errorf("%w: it holds no digest key", seal.ErrAltered)
		}
		return nil
	}
	ids, err := seal.ParseIdentities(plain)
	if err != nil || len(ids) != 1 || ids[0].Recipient().KeyID() != k.id {
		return fmt.Errorf("%w: it holds another key", seal.ErrAltered)
	}
	return nil
}

// postQuantum reports the class of a run key, whose wraps are of the same.
func (k wrappedKey) postQuantum(plain []byte) (of, known bool) {
	if k.id == digestKeyID {
		return false, false
	}
	ids, err := seal.ParseIdentities(plain)
	return err == nil && len(ids) == 1 && ids[0].Recipient().PostQuantum(), err == nil
}

// sizes are those that a wrap of the key may have.
func (k wrappedKey) sizes() seal.Sizes {
	if k.id == digestKeyID {
		return seal.DigestKeyWrapSizes()
	}
	return seal.WrapSizes()
}

// wrapKey opens a key, wraps it for who is added and has no wrap yet, and notes
// what may be removed.
func (r *rekeying) wrapKey(ctx context.Context, k wrappedKey) error {
	plain, right, err := r.open(ctx, k)
	if err != nil {
		return err
	}
	state := new(rekeyed)
	if plain == nil {
		r.note(k, state, 0)
		return nil
	}
	wrapped := int64(0)
	for _, to := range r.options.Add {
		if r.isDrill(to) && !r.drilled[k.id] {
			continue
		}
		made, err := r.wrapFor(ctx, k, plain, to)
		if err != nil {
			return err
		}
		if made {
			right[to.Fingerprint()] = true
			wrapped++
		}
	}
	for _, d := range r.options.Remove {
		if info, ok := k.wraps[d.Fingerprint()]; ok {
			state.remove = append(state.remove, info)
		}
	}
	for _, operator := range slices.Concat(r.options.Operators, r.options.Add) {
		if r.isDrill(operator) {
			continue
		}
		state.safe = state.safe || right[operator.Fingerprint()]
		if k.has(operator.Fingerprint()) {
			state.others++
		}
	}
	r.note(k, state, wrapped)
	return nil
}

func (r *rekeying) note(k wrappedKey, state *rekeyed, wrapped int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keys[k.id] = state; k.id != digestKeyID {
		r.result.Keys++
	}
	r.result.Wrapped += wrapped
}

func (r *rekeying) isDrill(to seal.Recipient) bool {
	return r.options.Drill != nil && r.options.Drill.Fingerprint() == to.Fingerprint()
}

// open opens a key with every identity that has a wrap of it, and says whose
// wraps are right. Plain is nil where none does; that is noted.
func (r *rekeying) open(ctx context.Context, k wrappedKey) (plain []byte, right map[string]bool, err error) {
	right = map[string]bool{}
	var damaged error
	for _, id := range r.options.Identities {
		holder := fingerprint(id)
		if !k.has(holder) {
			continue
		}
		opened, err := r.unwrap(ctx, k, id)
		if fault.KindOf(err) == fault.Corrupt {
			damaged = err
			continue // another identity may have one that is whole
		}
		if err != nil {
			return nil, nil, err
		}
		if plain != nil && !bytes.Equal(plain, opened) {
			return nil, nil, fault.New(fault.Corrupt, "open key "+shortKey(k.id), "its wraps hold different keys")
		}
		plain, right[holder] = opened, true
	}
	if plain == nil {
		r.unopenedKey(k, damaged)
	}
	return plain, right, nil
}

// unwrap reads one wrap, a second time where it is not right.
func (r *rekeying) unwrap(ctx context.Context, k wrappedKey, id seal.Identity) (plain []byte, err error) {
	for range 2 {
		var wrapped []byte
		wrapped, err = storage.Get(ctx, r.store, k.path(fingerprint(id)), maxWrap)
		if err != nil && !errors.Is(err, storage.ErrChecksum) {
			return nil, fmt.Errorf("read wrap of key %s: %w", shortKey(k.id), err)
		}
		if err == nil {
			plain, err = seal.Decrypt(wrapped, []seal.Identity{id})
		}
		if err == nil {
			err = k.check(plain)
		}
		if err == nil {
			return plain, nil
		}
	}
	return nil, fault.New(fault.Corrupt, "open key "+shortKey(k.id), "its wrap for %s: %w", fingerprint(id), err)
}

// unopenedKey notes a key that stays closed.
func (r *rekeying) unopenedKey(k wrappedKey, damaged error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.needed(k.id) {
		r.result.Strange++
		return
	}
	if damaged == nil {
		damaged = fault.New(fault.Usage, "open key "+shortKey(k.id), "it is wrapped for %s", strings.Join(slices.Sorted(maps.Keys(k.wraps)), ", "))
	}
	r.unopened = append(r.unopened, damaged)
}

// wrapFor makes the wrap for a recipient unless one stands there, and reads what
// stands there. Made says that this call has written it.
func (r *rekeying) wrapFor(ctx context.Context, k wrappedKey, plain []byte, to seal.Recipient) (made bool, err error) {
	if class, known := k.postQuantum(plain); known && class != to.PostQuantum() {
		return false, fault.New(fault.Usage, "rekey", "key %s and the recipient %s are not of one class: one is post-quantum and the other is not", shortKey(k.id), to.Fingerprint()).
			On(r.store.URL()).Hint("points that were made for recipients of one class stay with it; new points are of the class that the configuration lists")
	}
	path := k.path(to.Fingerprint())
	if k.has(to.Fingerprint()) {
		return false, r.examine(ctx, k, path, nil)
	}
	wrapped, err := seal.Encrypt(plain, to)
	if err != nil {
		return false, fmt.Errorf("wrap key %s: %w", shortKey(k.id), err)
	}
	_, err = storage.Put(ctx, r.store, path, wrapped)
	if errors.Is(err, storage.ErrExist) { // another one rekeys, too
		return false, r.examine(ctx, k, path, nil)
	}
	if err != nil {
		return false, fmt.Errorf("write wrap of key %s: %w", shortKey(k.id), err)
	}
	return true, r.examine(ctx, k, path, wrapped)
}

// examine reads a wrap that is there: to the byte what was written or, where
// somebody else wrote it, at least in the form of one.
func (r *rekeying) examine(ctx context.Context, k wrappedKey, path string, written []byte) error {
	var reason error
	for range 2 {
		stored, err := storage.Get(ctx, r.store, path, maxWrap)
		switch {
		case errors.Is(err, storage.ErrChecksum):
			reason = err
			continue
		case err != nil:
			return fmt.Errorf("read wrap of key %s: %w", shortKey(k.id), err)
		case written != nil && bytes.Equal(written, stored):
			return nil
		case written != nil:
			reason = errors.New("it is not what was written")
		case !k.sizes().Has(int64(len(stored))):
			reason = fmt.Errorf("it has %d bytes, want %s", len(stored), k.sizes())
		default:
			if reason = seal.CheckWrap(stored); reason == nil {
				return nil
			}
		}
	}
	return fault.New(fault.Corrupt, "rekey", "the wrap %s is not right: %w", path, reason).On(r.store.URL()).
		Hint("somebody has put it there, or it was damaged: look who, delete that file, and run this again")
}
