package seal

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
)

// ErrAltered means that stored bytes are not those that were written.
var ErrAltered = errors.New("stored bytes are not those that were written")

// KeyError is what an age.Identity returns that could not get hold of its key:
// the file is not to blame for it.
type KeyError struct{ Err error }

// Error returns the cause's text.
func (e *KeyError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *KeyError) Unwrap() error { return e.Err }

// maxWindow bounds the memory that a frame can ask a reader for.
const maxWindow = 64 << 20

// Reader opens a sealed file. It is not safe for concurrent use.
type Reader struct {
	plain  io.Reader
	stored *checker
	zstd   *zstd.Decoder // nil when raw
}

// NewReader opens a sealed file whose stored size and SHA-256 must be those of
// want (its CRC32C is for listings and is not looked at). What is read is
// authentic as far as age can tell while it streams; that it is the file which
// was meant, and whole, is known once Read has returned io.EOF. Every
// deviation is ErrAltered.
func NewReader(src io.Reader, c Compression, want Sums, identities ...age.Identity) (*Reader, error) {
	stored := &checker{src: src, want: want, sha: sha256.New()}
	opened, err := age.Decrypt(stored, identities...)
	if err != nil {
		return nil, stored.refuse(fmt.Errorf("decrypt: %w", err))
	}
	r := &Reader{plain: opened, stored: stored}
	if c == Zstd {
		r.zstd, err = zstd.NewReader(opened,
			zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, fmt.Errorf("decompress: %w", err)
		}
		r.plain = r.zstd
	}
	return r, nil
}

// Read returns plaintext, and io.EOF only after all stored bytes were checked.
func (r *Reader) Read(p []byte) (int, error) {
	n, err := r.plain.Read(p)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF):
		if err := r.stored.finish(); err != nil {
			return n, err
		}
		return n, io.EOF
	default:
		return n, r.stored.blame(err)
	}
}

// Close frees the decoder. It does not close what is underneath.
func (r *Reader) Close() error {
	if r.zstd != nil {
		r.zstd.Close()
	}
	return nil
}

// checker sums the stored bytes on their way in.
type checker struct {
	src  io.Reader
	want Sums
	size int64
	sha  hash.Hash
	err  error // what src ended with, io.EOF aside
}

func (c *checker) Read(p []byte) (int, error) {
	n, err := c.src.Read(p)
	c.size += int64(n)
	c.sha.Write(p[:n])
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}

// finish reads what the layers above have left (nothing, in a good file) and
// compares.
func (c *checker) finish() error {
	if _, err := io.Copy(io.Discard, c); err != nil {
		return err
	}
	if c.size != c.want.Size {
		return fmt.Errorf("%w: got %d bytes, want %d", ErrAltered, c.size, c.want.Size)
	}
	if got := hex.EncodeToString(c.sha.Sum(nil)); got != c.want.SHA256 {
		return fmt.Errorf("%w: got SHA-256 %s, want %s", ErrAltered, got, c.want.SHA256)
	}
	return nil
}

// refuse explains why the file cannot be opened. A recipient's stanza of which
// one bit is wrong looks like one for somebody else: only the rest of the file
// tells a key that does not fit from bytes that are not right.
func (c *checker) refuse(err error) error {
	var noMatch *age.NoIdentityMatchError
	if c.err == nil && errors.As(err, &noMatch) {
		if altered := c.finish(); altered != nil {
			return altered
		}
	}
	return c.blame(err)
}

// blame decides whether an error of a layer above is the storage's failure to
// deliver, a key that does not fit, or bytes that are not right.
func (c *checker) blame(err error) error {
	var noMatch *age.NoIdentityMatchError
	var noKey *KeyError
	switch {
	case c.err != nil:
		return c.err
	case errors.As(err, &noKey):
		return noKey.Err
	case errors.As(err, &noMatch):
		return err
	default:
		// Only as text: an io.EOF in it, of a header that ends early, must look like
		// the end of the file to nobody.
		return fmt.Errorf("%w: %s", ErrAltered, err.Error())
	}
}
