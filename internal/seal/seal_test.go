package seal_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"filippo.io/age"
	"pgregory.net/rapid"

	"github.com/openim-dr/openim-dr/internal/seal"
)

var compressions = map[string]seal.Compression{"zstd": seal.Zstd, "raw": seal.Raw}

func newIdentity(t testing.TB, postQuantum bool) seal.Identity {
	t.Helper()
	id, err := seal.GenerateIdentity(postQuantum)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// sealed returns the stored bytes of plain.
func sealed(t rapid.TB, plain []byte, c seal.Compression, to ...seal.Identity) ([]byte, seal.Sums) {
	t.Helper()
	recipients := make([]age.Recipient, len(to))
	for i, id := range to {
		recipients[i] = id.Recipient().Recipient
	}
	var stored bytes.Buffer
	w, err := seal.NewWriter(&stored, c, recipients...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(w, bytes.NewReader(plain)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if w.Plain() != int64(len(plain)) {
		t.Fatalf("the writer counted %d bytes of plaintext, want %d", w.Plain(), len(plain))
	}
	return stored.Bytes(), w.Sums()
}

// open reads everything; plaintext beside an error is not to be believed.
func open(src io.Reader, c seal.Compression, want seal.Sums, with ...seal.Identity) ([]byte, error) {
	r, err := seal.NewReader(src, c, want, seal.AgeIdentities(with)...)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func TestRoundTrip(t *testing.T) {
	id := newIdentity(t, false)
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.OneOf(rapid.IntRange(0, 300), rapid.IntRange(64<<10-20, 64<<10+20), rapid.IntRange(0, 300_000), rapid.Just(2<<20+1)).Draw(t, "size")
		c := seal.Compression(rapid.Bool().Draw(t, "zstd"))
		plain := make([]byte, size)
		if rapid.Bool().Draw(t, "random") {
			_, _ = rand.NewChaCha8([32]byte{byte(size)}).Read(plain)
		}
		stored, sums := sealed(t, plain, c, id)
		if got := seal.SumOf(stored); got != sums {
			t.Fatalf("the sums are %+v, want those of the stored bytes, %+v", sums, got)
		}
		got, err := open(bytes.NewReader(stored), c, sums, id)
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("got %d bytes and %v, want the %d that were sealed", len(got), err, len(plain))
		}
	})
}

func TestEitherRecipientOpens(t *testing.T) {
	for class, postQuantum := range map[string]bool{"X25519": false, "post-quantum": true} {
		t.Run(class, func(t *testing.T) {
			a, b := newIdentity(t, postQuantum), newIdentity(t, postQuantum)
			stored, sums := sealed(t, []byte("an index segment"), seal.Zstd, a, b)
			for _, id := range []seal.Identity{a, b} {
				if got, err := open(bytes.NewReader(stored), seal.Zstd, sums, id); err != nil || string(got) != "an index segment" {
					t.Errorf("got %q, %v", got, err)
				}
			}
		})
	}
}

// Invariant 3: no altered file reads as if it were whole.
func TestEveryFlippedBitIsFound(t *testing.T) {
	id := newIdentity(t, false)
	for name, c := range compressions {
		t.Run(name, func(t *testing.T) {
			stored, sums := sealed(t, []byte(strings.Repeat("a row of a table\n", 8)), c, id)
			for i := range stored {
				damaged := bytes.Clone(stored)
				damaged[i] ^= 1 << (i % 8)
				requireAltered(t, fmt.Sprintf("byte %d flipped", i), damaged, c, sums, id)
			}
		})
	}
}

func TestEveryTruncationIsFound(t *testing.T) {
	id := newIdentity(t, false)
	for name, c := range compressions {
		t.Run(name, func(t *testing.T) {
			stored, sums := sealed(t, []byte(strings.Repeat("a row of a table\n", 8)), c, id)
			for n := range stored {
				requireAltered(t, fmt.Sprintf("cut to %d bytes", n), stored[:n], c, sums, id)
			}
			requireAltered(t, "a byte too many", append(bytes.Clone(stored), 0), c, sums, id)
		})
	}
}

func TestAnotherFileInItsPlaceIsFound(t *testing.T) {
	id := newIdentity(t, false)
	for name, c := range compressions {
		t.Run(name, func(t *testing.T) {
			_, sums := sealed(t, []byte("yesterday"), c, id)
			other, _ := sealed(t, []byte("today, so"), c, id)
			requireAltered(t, "a good file, but another one", other, c, sums, id)
		})
	}
}

func requireAltered(t *testing.T, what string, stored []byte, c seal.Compression, sums seal.Sums, id seal.Identity) {
	t.Helper()
	if _, err := open(bytes.NewReader(stored), c, sums, id); !errors.Is(err, seal.ErrAltered) || errors.Is(err, io.EOF) {
		t.Errorf("%s: got %v (like an end: %v), want ErrAltered and no end", what, err, errors.Is(err, io.EOF))
	}
}

func TestWrongKeyIsNotDamage(t *testing.T) {
	stored, sums := sealed(t, []byte("a row"), seal.Zstd, newIdentity(t, false))
	_, err := open(bytes.NewReader(stored), seal.Zstd, sums, newIdentity(t, false))
	if _, ok := errors.AsType[*age.NoIdentityMatchError](err); !ok || errors.Is(err, seal.ErrAltered) {
		t.Errorf("got %v, want that no identity matches", err)
	}
}

func TestStorageThatFailsIsNotDamage(t *testing.T) {
	id := newIdentity(t, false)
	stored, sums := sealed(t, bytes.Repeat([]byte("row"), 100), seal.Raw, id)
	lost := errors.New("connection reset")
	for n := range stored {
		src := io.MultiReader(bytes.NewReader(stored[:n]), failing{lost})
		if _, err := open(src, seal.Raw, sums, id); !errors.Is(err, lost) || errors.Is(err, seal.ErrAltered) {
			t.Errorf("after %d bytes: got %v, want the storage's error", n, err)
		}
	}
}

func TestKeyThatCannotBeHadIsNotDamage(t *testing.T) {
	id := newIdentity(t, false)
	stored, sums := sealed(t, []byte("row"), seal.Raw, id)
	why := errors.New("its wrap is missing")
	_, err := seal.NewReader(bytes.NewReader(stored), seal.Raw, sums, unavailable{why})
	if !errors.Is(err, why) || errors.Is(err, seal.ErrAltered) {
		t.Errorf("got %v, want why the key cannot be had", err)
	}
}

// Invariant 2: a failed write is never a finished file.
func TestFailedWriteIsReported(t *testing.T) {
	id := newIdentity(t, false)
	full := errors.New("no space left on device")
	for name, c := range compressions {
		for _, room := range []int{0, 100, 250, 100_000} {
			t.Run(fmt.Sprintf("%s/%d bytes of room", name, room), func(t *testing.T) {
				err := sealInto(&limited{room: room, err: full}, c, id)
				if !errors.Is(err, full) {
					t.Errorf("got %v, want the writer's error", err)
				}
			})
		}
	}
}

func sealInto(dst io.Writer, c seal.Compression, id seal.Identity) error {
	w, err := seal.NewWriter(dst, c, id.Recipient().Recipient)
	if err != nil {
		return err
	}
	plain := make([]byte, 1<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(plain)
	if _, err := w.Write(plain); err != nil {
		return err
	}
	return w.Close()
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

type unavailable struct{ why error }

func (u unavailable) Unwrap([]*age.Stanza) ([]byte, error) { return nil, &seal.KeyError{Err: u.why} }

type limited struct {
	room int
	err  error
}

func (l *limited) Write(p []byte) (int, error) {
	if len(p) > l.room {
		return 0, l.err
	}
	l.room -= len(p)
	return len(p), nil
}
