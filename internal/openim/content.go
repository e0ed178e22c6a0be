package openim

import (
	"crypto/md5"
	"encoding/hex"
	"hash"
	"io"
	"strings"
	"sync"

	"github.com/openim-dr/openim-dr/internal/source"
)

// hashPrefix is where the server keeps media: the rest of a key says what the
// content is.
const hashPrefix = "openim/data/hash/"

const (
	// partSize is how a client cuts a file, up to a number of parts that S3
	// allows; beyond it the parts grow. The parts' MD5 make the key's hash.
	partSize = 5 << 20
	mostPart = 10000
)

// partOf returns the size of the parts of a file of so many bytes.
func partOf(size int64) int64 {
	if size > partSize*mostPart {
		return (size + mostPart - 1) / mostPart
	}
	return partSize
}

// Content recomputes the hashes in the names of OpenIM's media while they are
// read: an object whose content is not what its name says was damaged before it
// was backed up, if it equals what was captured. It is safe for concurrent use.
type Content struct {
	mu      sync.Mutex
	checked int64
	bad     int64
	keys    []string
}

var _ source.Witness = (*Content)(nil)

// mostKeys bounds how many keys are listed.
const mostKeys = 1000

// Observe returns what checks one object; nil where its name says nothing.
func (c *Content) Observe(bucket, key string, size int64) source.Observer {
	want, ok := strings.CutPrefix(key, hashPrefix)
	if !ok || !isHash(want) || size == 0 {
		return nil
	}
	return &contentHash{content: c, object: bucket + "/" + key, want: want, part: partOf(size), whole: md5.New(), of: md5.New()}
}

// isHash reports whether a text is an MD5 as OpenIM spells it.
func isHash(text string) bool {
	return len(text) == 2*md5.Size && strings.Trim(text, "0123456789abcdef") == ""
}

// Result returns how many objects were checked, how many are not what their
// names say, and the first of those, as "bucket/key".
func (c *Content) Result() (checked, bad int64, keys []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.checked, c.bad, c.keys
}

func (c *Content) done(object string, right bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checked++
	if right {
		return
	}
	c.bad++
	if len(c.keys) < mostKeys {
		c.keys = append(c.keys, object)
	}
}

// contentHash is the hash of one object on its way: the MD5 of the MD5 of its
// parts in hex, with commas between them, also where there is one part.
type contentHash struct {
	content *Content
	object  string
	want    string
	part    int64
	filled  int64 // of the part that is being read
	parts   int
	of      hash.Hash // the part
	whole   hash.Hash // the list of parts
}

// Write takes the next bytes. It never fails.
func (h *contentHash) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		take := min(int64(len(p)), h.part-h.filled)
		h.of.Write(p[:take])
		h.filled += take
		p = p[take:]
		if h.filled == h.part {
			h.endPart()
		}
	}
	return n, nil
}

func (h *contentHash) endPart() {
	if h.parts > 0 {
		_, _ = io.WriteString(h.whole, ",")
	}
	_, _ = io.WriteString(h.whole, hex.EncodeToString(h.of.Sum(nil)))
	h.of.Reset()
	h.parts++
	h.filled = 0
}

// Done holds the hash against the name.
func (h *contentHash) Done() {
	if h.filled > 0 {
		h.endPart()
	}
	h.content.done(h.object, hex.EncodeToString(h.whole.Sum(nil)) == h.want)
}
