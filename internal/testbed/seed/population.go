package seed

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strconv"
)

// managers are the users that OpenIM itself creates on an empty database.
var managers = []string{"openIM123456", "openIM654321", "openIMAdmin"}

// population is how many of each there are and what they are called. It is
// arithmetic only, so that any row of any table can refer to any other.
type population struct {
	size   Size
	users  int64
	groups int64
	plan   catalog

	messageMarker string
	nameMarker    string
}

func newPopulation(size Size) *population {
	return &population{
		size:          size,
		users:         share(size, 0.025, 60),
		groups:        share(size, 0.005, 40),
		plan:          newCatalog(size),
		messageMarker: marker(size.Seed, "message"),
		nameMarker:    marker(size.Seed, "nickname"),
	}
}

// share is a part of all rows, and at least so many.
func share(size Size, part float64, least int64) int64 {
	return max(least, int64(part*float64(size.Rows)))
}

// user is the id of the n-th user. The managers come first, the nasty ids next;
// those of the others rise with n, as a load in the order of the key is several
// times as fast.
func (p *population) user(n int64) string {
	if n < int64(len(managers)) {
		return managers[n]
	}
	if n -= int64(len(managers)); n < int64(len(nastyIDs)) {
		return nastyIDs[n]
	}
	return strconv.FormatInt(1_000_000_000+n*37+int64(mix(p.size.Seed+uint64(n))%37), 10)
}

// group is the id of the n-th group.
func (p *population) group(n int64) string {
	return strconv.FormatInt(2_000_000_000+n*41+int64(mix(p.size.Seed-uint64(n))%41), 10)
}

// pair turns the n-th of total rows into an owner and the how-manieth row of that
// owner it is, so that a key of two columns is unique.
func pair(n, total, owners int64) (owner, place int64) {
	each := (total + owners - 1) / owners
	return n / each, n % each
}

// faceURL is the address of a picture: one of our own objects, one of somebody
// else's, or none.
func (p *population) faceURL(w *row) string {
	switch pick := w.IntN(8); {
	case pick < 4 && p.plan.media > 0:
		return "https://im.example.com/api/object/" + p.plan.name(w.Int64N(p.plan.media))
	case pick < 6:
		return fmt.Sprintf("https://cdn.example.org/avatars/%d.png?size=96&v=%d", w.IntN(1000), w.IntN(9))
	default:
		return ""
	}
}

// nickname carries the marker of names now and then.
func (p *population) nickname(w *row) string {
	if w.n%16 == 3 {
		return personName(w.Rand) + " " + p.nameMarker
	}
	return personName(w.Rand)
}

// message is the content of a text message as OpenIM keeps it. One in sixteen
// carries the marker, enough for any block of rows to hold some.
func (p *population) message(w *row) string {
	b := append(make([]byte, 0, 256), `{"content":"`...)
	b = sentence(b, w.Rand, 1, 24)
	if w.n%16 == 5 {
		b = append(b, ' ')
		b = append(b, p.messageMarker...)
	}
	return string(append(b, `"}`...))
}

func md5Hex(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}
