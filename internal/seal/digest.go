package seal

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"math/bits"

	"github.com/minio/highwayhash"
)

// DigestKey is a repository's key for digests that stand in plain files:
// without it they are no oracle for guessing small contents.
type DigestKey [32]byte

// GenerateDigestKey makes a new key.
func GenerateDigestKey() DigestKey {
	var k DigestKey
	rand.Read(k[:])
	return k
}

// String hides the key, and so do the other ways of printing it.
func (DigestKey) String() string { return "digest key" }

// GoString hides the key.
func (k DigestKey) GoString() string { return k.String() }

// MarshalText hides the key.
func (k DigestKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Digest is a 128-bit value: HighwayHash-128 of one record, or the sum of
// many modulo 2^128, so that the order of the records does not matter.
type Digest struct{ hi, lo uint64 }

// Add adds other to d modulo 2^128.
func (d *Digest) Add(other Digest) {
	var carry uint64
	d.lo, carry = bits.Add64(d.lo, other.lo, 0)
	d.hi, _ = bits.Add64(d.hi, other.hi, carry)
}

// String returns 32 hex digits.
func (d Digest) String() string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], d.hi)
	binary.BigEndian.PutUint64(b[8:], d.lo)
	return hex.EncodeToString(b[:])
}

// MarshalText returns 32 hex digits.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads 32 hex digits.
func (d *Digest) UnmarshalText(text []byte) error {
	var b [16]byte
	if n, err := hex.Decode(b[:], text[:min(len(text), 32)]); err != nil || n != 16 || len(text) != 32 {
		return fmt.Errorf("a digest is 32 hex digits, not %d characters", len(text))
	}
	d.hi, d.lo = binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	return nil
}

// Hasher digests one record after the other without allocating. It is not
// safe for concurrent use.
type Hasher struct {
	h   hash.Hash
	sum [16]byte
}

// NewHasher returns a Hasher under key.
func NewHasher(key DigestKey) *Hasher {
	h, err := highwayhash.New128(key[:])
	if err != nil {
		panic(err) // only a key of another length than 32 bytes, which the type excludes
	}
	return &Hasher{h: h}
}

// Reset begins a new record.
func (h *Hasher) Reset() { h.h.Reset() }

// Write adds to the record. It never fails.
func (h *Hasher) Write(p []byte) (int, error) { return h.h.Write(p) }

// Sum returns the digest of the record so far. The 16 bytes of HighwayHash are
// read as a big-endian number.
func (h *Hasher) Sum() Digest {
	b := h.h.Sum(h.sum[:0])
	return Digest{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:16])}
}
