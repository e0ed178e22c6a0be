package seal

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
)

// Sums is what is known of a stored file: its bytes as stored, not as read.
type Sums struct {
	Size   int64
	CRC32C uint32 // Castagnoli
	SHA256 string // lower-case hex
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// SumOf returns the sums of bytes at hand.
func SumOf(stored []byte) Sums {
	sha := sha256.Sum256(stored)
	return Sums{
		Size:   int64(len(stored)),
		CRC32C: crc32.Checksum(stored, castagnoli),
		SHA256: hex.EncodeToString(sha[:]),
	}
}

// Summer counts and sums what passes through it to another writer. It is not safe for
// concurrent use.
type Summer struct {
	dst  io.Writer
	size int64
	crc  uint32
	sha  hash.Hash
}

// NewSummer sums what is written to dst.
func NewSummer(dst io.Writer) *Summer { return &Summer{dst: dst, sha: sha256.New()} }

// Write implements io.Writer.
func (s *Summer) Write(p []byte) (int, error) {
	n, err := s.dst.Write(p)
	s.size += int64(n)
	s.crc = crc32.Update(s.crc, castagnoli, p[:n])
	s.sha.Write(p[:n])
	return n, err
}

// Sums is what has passed so far.
func (s *Summer) Sums() Sums {
	return Sums{Size: s.size, CRC32C: s.crc, SHA256: hex.EncodeToString(s.sha.Sum(nil))}
}

// Compression says whether a file is compressed before it is encrypted.
type Compression bool

// The two choices.
const (
	Raw  Compression = false // tar packs: their members are compressed one by one
	Zstd Compression = true
)

// Writer seals what is written to it. It is not safe for concurrent use.
type Writer struct {
	zstd   *zstd.Encoder // nil when raw
	age    io.WriteCloser
	stored *Summer
	dst    io.Writer // the first stage
	plain  int64
	closed bool
}

// NewWriter seals to all of recipients. Bytes reach dst as they come; nothing
// is complete before Close.
func NewWriter(dst io.Writer, c Compression, recipients ...age.Recipient) (*Writer, error) {
	w := &Writer{stored: NewSummer(dst)}
	var err error
	if w.age, err = age.Encrypt(w.stored, recipients...); err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	w.dst = w.age
	if c == Zstd {
		if w.zstd, err = newEncoder(w.age); err != nil {
			return nil, err
		}
		w.dst = w.zstd
	}
	return w, nil
}

var errClosed = errors.New("write to a sealed file that is closed")

// Write seals p.
func (w *Writer) Write(p []byte) (int, error) {
	if w.closed {
		return 0, errClosed
	}
	n, err := w.dst.Write(p)
	w.plain += int64(n)
	return n, err
}

// Close ends the sealed file; it does not close what is underneath. Without a
// Close that returned nil the file cannot be opened.
func (w *Writer) Close() error {
	if w.closed {
		return nil
	}
	w.closed = true
	if w.zstd != nil {
		if err := endEncoder(w.zstd); err != nil {
			return err
		}
	}
	if err := w.age.Close(); err != nil {
		return fmt.Errorf("encrypt: %w", err)
	}
	w.zstd, w.age, w.dst = nil, nil, nil // megabytes, while the sums may be wanted for long
	return nil
}

// Plain returns how many bytes were written to w.
func (w *Writer) Plain() int64 { return w.plain }

// Sums returns the sums of the sealed file; they are final after Close.
func (w *Writer) Sums() Sums { return w.stored.Sums() }
