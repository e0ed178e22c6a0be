package seed

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
)

// blockSize is the unit in which contents are generated: each block follows from
// its number, so that contents can be read from anywhere without being held.
const blockSize = 32 << 10

// content is the contents of one object, an io.ReadSeeker of flat memory.
type content struct {
	seed   [32]byte
	lead   string // begins every block: the marker and whose block it is
	text   bool
	size   int64
	offset int64
	block  []byte
	loaded int64 // number of the block that is in block, -1 for none
}

var errSeek = errors.New("seek before the start")

// open returns the contents of one generation; a changed object has the next one.
func (o object) open(generation int) *content {
	return &content{
		seed:   digest(o.catalog.seed, fmt.Sprintf("content %d %d", o.n, generation)),
		lead:   fmt.Sprintf("%s %d.%d\n", o.catalog.marker, o.n, generation),
		text:   o.text,
		size:   o.size,
		loaded: -1,
	}
}

func (c *content) Read(p []byte) (int, error) {
	if c.offset >= c.size {
		return 0, io.EOF
	}
	if number := c.offset / blockSize; number != c.loaded {
		c.load(number)
	}
	left := min(c.size-c.offset, int64(len(p)))
	n := copy(p[:left], c.block[c.offset%blockSize:])
	c.offset += int64(n)
	return n, nil
}

func (c *content) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += c.offset
	case io.SeekEnd:
		offset += c.size
	}
	if offset < 0 {
		return 0, errSeek
	}
	c.offset = offset
	return offset, nil
}

// load generates one block: random bytes as of a picture, or words.
func (c *content) load(number int64) {
	seed := c.seed
	binary.BigEndian.PutUint64(seed[24:], binary.BigEndian.Uint64(seed[24:])^uint64(number))
	source := rand.NewChaCha8(seed)
	if c.block == nil {
		c.block = make([]byte, 0, blockSize+64)
	}
	c.block = append(c.block[:0], c.lead...)
	if c.text {
		r := rand.New(source)
		for len(c.block) < blockSize {
			c.block = append(c.block, words[r.IntN(len(words))]...)
			c.block = append(c.block, ' ')
		}
	} else {
		c.block = c.block[:blockSize]
		_, _ = source.Read(c.block[len(c.lead):]) // never fails
	}
	c.block = c.block[:blockSize]
	c.loaded = number
}
