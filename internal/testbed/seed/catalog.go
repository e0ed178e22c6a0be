package seed

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"time"
)

const (
	hashPrefix     = "openim/data/hash/"
	smallestObject = 100
	partSize       = 5 << 20 // OpenIM's clients upload, and hash, in parts of this size
	maxParts       = 10_000
)

// nastyKeys are keys that SeaweedFS takes and gives back as they are. The first
// ones matter most: a small bucket has only those.
var nastyKeys = []string{
	"nasty/a/b", // SeaweedFS lists a/b before a-c and a.txt, S3 after
	"nasty/a-c",
	"nasty/a.txt",
	"nasty/with space.jpg",
	"nasty/plus+and+more.jpg",
	"nasty/ampersand&equals=question?.jpg",
	"nasty/percent%20not a blank%2F.jpg",
	"nasty/用户/照片 (1).jpg",
	"nasty/emoji-😀👩‍👧.png",
	"nasty/empty",
	"nasty/e\u0301-combining.txt",
	"nasty/\u00e9-precomposed.txt",
	"nasty/quote\"apostrophe'.txt",
	"nasty/back\\slash.txt",
	"nasty/semi;colon:at@comma,$!*.txt",
	"nasty/brackets[]{}()<>^~|#.txt",
	"nasty/.hidden",
	"nasty/...",
	"nasty/ trailing blank ",
	"nasty/UPPER.txt",
	"nasty/upper.txt",
	"nasty/--leading-dash",
	"nasty/русский/файл.mp4",
	"nasty/عربي.pdf",
	"nasty/tab\tin the key.txt",
	"nasty/a0",
	"nasty/deep/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/leaf",
	"nasty/manifest.json",
	"nasty/long-" + strings.Repeat("n", 230),
}

// class is what an object is to OpenIM.
type class int

const (
	nasty     class = iota // put there by something else
	media                  // openim/data/hash/…, what users sent
	thumbnail              // derived from media
	temporary              // an upload that was never finished
)

// catalog is the plan of the bucket: object n of so many, without its contents.
type catalog struct {
	seed   uint64
	limit  int64 // bytes of the largest
	median int64 // bytes
	count  int64 // objects
	nasty  int64 // the first ones
	media  int64 // of the others, 17 of 20
	marker string
	plain  bool // nothing beside the content but its type
}

func newCatalog(size Size) catalog {
	count := int64(size.Objects)
	odd := min(int64(len(nastyKeys)), count/3)
	if size.Plain {
		odd = 0
	}
	rest := count - odd
	return catalog{
		seed:   size.Seed,
		limit:  size.maxObject(),
		median: size.midObject(),
		count:  count,
		nasty:  odd,
		media:  rest/20*17 + min(rest%20, 17),
		marker: marker(size.Seed, "object"),
		plain:  size.Plain,
	}
}

// names is the number of rows of `object`: each tenth media object was sent by
// two users, which OpenIM stores once.
func (c catalog) names() int64 { return c.media + c.media/10 }

// named is the media object that the n-th name leads to.
func (c catalog) named(n int64) object {
	if n >= c.media {
		n = (n - c.media) * 10
	}
	return c.object(c.nasty + n/17*20 + n%17)
}

// owner is the user who sent the n-th name.
func (c catalog) owner(n int64) string {
	return fmt.Sprint(1_000_000_000 + mix(c.seed^uint64(n))%1_000_000)
}

// name is the n-th name as OpenIM's clients choose it.
func (c catalog) name(n int64) string {
	id := fmt.Sprintf("%08x%08x", n, uint32(mix(c.seed+uint64(n))))
	switch n % 4 {
	case 0, 1:
		return c.owner(n) + "/msg_picture_" + id + ".jpg"
	case 2:
		return c.owner(n) + "/msg_video_" + id + ".mp4"
	default:
		return c.owner(n) + "/msg_file_" + id + "/报告 " + id[:4] + " & notes+1.txt"
	}
}

// object is one object to be. Its key may depend on its contents, see key.
type object struct {
	catalog     catalog
	n           int64
	class       class
	size        int64
	contentType string // "" where the uploader gave none
	text        bool   // compresses well
}

func (c catalog) object(n int64) object {
	r := rand.New(rand.NewPCG(c.seed, mix(uint64(n))))
	o := object{catalog: c, n: n, size: c.randomSize(r), text: n%4 == 3}
	o.contentType = []string{"image/jpeg", "video/mp4", "image/png", "text/plain; charset=utf-8"}[n%4]
	switch rest := n - c.nasty; {
	case n < c.nasty:
		o.class = nasty
		o.size = min(o.size, 4096)
		if nastyKeys[n] == "nasty/empty" {
			o.size = 0
		}
	case rest%20 == 19:
		o.class = temporary
	case rest%20 >= 17:
		o.class = thumbnail
		o.size = min(o.size, 20_000)
	default:
		o.class = media
		o.size = c.edgeSize(rest, o.size)
	}
	return o
}

// randomSize is log-normal: most objects are small, a few hold most of the bytes.
func (c catalog) randomSize(r *rand.Rand) int64 {
	size := int64(float64(c.median) * math.Exp(2*r.NormFloat64()))
	return min(max(size, smallestObject), c.limit)
}

// edgeSize gives the first media objects the sizes at which code goes wrong: the
// largest, the smallest, and both sides of a part's end.
func (c catalog) edgeSize(n, otherwise int64) int64 {
	edges := []int64{c.limit, smallestObject, partSize, partSize + 1, 2 * partSize}
	if n < int64(len(edges)) && edges[n] <= c.limit {
		return edges[n]
	}
	return otherwise
}

// key is the object's key when it has the contents of the given generation.
func (o object) key(generation int) string {
	id := fmt.Sprintf("object %d", o.n)
	switch o.class {
	case nasty:
		return nastyKeys[o.n]
	case thumbnail:
		return "openim/thumbnail/" + md5Hex(id) + "/image_w_320_h_320.jpeg"
	case temporary:
		r := rand.New(rand.NewPCG(^o.catalog.seed, uint64(o.n)))
		at := epoch.Add(-time.Duration(r.Int64N(int64(5 * day))))
		return fmt.Sprintf("openim/temp/%s/%d/%d/%d/%s_%d_%s.presigned",
			at.Format("2006/1/2"), at.Hour(), at.Minute(), at.Second(), md5Hex(id), o.size, uuid(r))
	default:
		return hashPrefix + o.hash(generation)
	}
}

// hash is OpenIM's: the MD5 of the comma-joined hexadecimal MD5s of the parts,
// for a single part too.
func (o object) hash(generation int) string {
	return hashOf(o.open(generation), o.size)
}

func hashOf(r io.Reader, size int64) string {
	part := int64(partSize)
	if size > partSize*maxParts {
		part = (size + maxParts - 1) / maxParts
	}
	var sums []string
	for ; size > 0 || sums == nil; size -= part {
		h := md5.New()
		// What is read is generated in memory and never fails.
		_, _ = io.CopyN(h, r, min(part, size))
		sums = append(sums, hex.EncodeToString(h.Sum(nil)))
	}
	return md5Hex(strings.Join(sums, ","))
}
