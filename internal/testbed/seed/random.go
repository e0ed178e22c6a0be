package seed

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// epoch is the "now" of every deployment. A real clock would make two runs differ.
var epoch = time.Date(2026, 11, 20, 3, 4, 5, 678_000_000, time.UTC)

// digest derives 32 bytes from the seed and a label.
func digest(seed uint64, label string) [32]byte {
	var number [8]byte
	binary.BigEndian.PutUint64(number[:], seed)
	return sha256.Sum256(append(number[:], label...))
}

// marker is a distinctive string of one kind, such as "message-9f27c0d1a45be803".
func marker(seed uint64, kind string) string {
	sum := digest(seed, "marker "+kind)
	return kind + "-" + hex.EncodeToString(sum[:8])
}

// password is a generated password; every one of them is a marker as well.
func password(seed uint64, label string) string {
	const alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"
	sum := digest(seed, "password "+label)
	var b strings.Builder
	for _, c := range sum[:24] {
		b.WriteByte(alphabet[int(c)%len(alphabet)])
	}
	return b.String()
}

// stream gives the n-th thing of a kind its own random numbers, so that things
// can be generated in any order, by any worker, and one alone.
type stream struct {
	key  uint64
	pcg  *rand.PCG
	rand *rand.Rand
}

func newStream(seed uint64, label string) *stream {
	sum := digest(seed, "stream "+label)
	pcg := rand.NewPCG(0, 0)
	return &stream{key: binary.BigEndian.Uint64(sum[:]), pcg: pcg, rand: rand.New(pcg)}
}

// at returns the numbers of thing n. They are valid until the next call.
func (s *stream) at(n int64) *rand.Rand {
	s.pcg.Seed(s.key, mix(uint64(n)))
	return s.rand
}

// mix is the finaliser of SplitMix64: neighbouring inputs give unrelated outputs.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// uuid is a version 4 UUID made of the given numbers.
func uuid(r *rand.Rand) string {
	high, low := r.Uint64(), r.Uint64()
	high = high&^0xf000 | 0x4000
	low = low&^(0xc0<<56) | 0x80<<56
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", high>>32, high>>16&0xffff, high&0xffff, low>>48, low&0xffffffffffff)
}
