package storage

import (
	"context"
	"fmt"
	"hash/crc32"
	"io"
)

// Castagnoli is the polynomial of every checksum in this package. It is what
// GCS keeps for each object.
func Castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// Check compares what the storage says of an object with what was meant to be
// stored, and returns ErrChecksum where they differ. A driver vouches for the
// bytes that reached it; whoever produced them calls Check with a size and a
// checksum of its own, so that damage on the way to the driver is seen too.
func (i Info) Check(size int64, crc32c uint32) error {
	if i.Size != size {
		return fmt.Errorf("object %q has %d bytes, want %d: %w", i.Name, i.Size, size, ErrChecksum)
	}
	if i.CRC32C != nil && *i.CRC32C != crc32c {
		return fmt.Errorf("object %q has CRC32C %08x, want %08x: %w", i.Name, *i.CRC32C, crc32c, ErrChecksum)
	}
	return nil
}

// Put creates a small object whose content, all of data in a row, is known, and
// repeats the whole create with backoff while the failure may pass. That is safe: the bytes are
// the same each time, so what an attempt with a lost reply has left behind is
// found to be equal, which is success.
func Put(ctx context.Context, w Writer, name string, data ...[]byte) (Info, error) {
	var info Info
	p := Policy{}.withDefaults()
	p.Idle = p.UploadIdle // an attempt may send all of data
	err := p.attempt(ctx, func(ctx context.Context) (err error) {
		info, err = put(ctx, w, name, data)
		return err
	})
	if err != nil {
		return Info{}, err
	}
	return info, nil
}

func put(ctx context.Context, w Writer, name string, data [][]byte) (Info, error) {
	upload, err := w.Create(ctx, name)
	if err != nil {
		return Info{}, err
	}
	defer upload.Abort()
	var size int64
	var crc uint32
	for _, part := range data {
		if _, err := upload.Write(part); err != nil {
			return Info{}, err
		}
		size += int64(len(part))
		crc = crc32.Update(crc, Castagnoli(), part)
	}
	info, err := upload.Commit()
	if err != nil {
		return Info{}, err
	}
	return info, info.Check(size, crc)
}

// Get reads a small object whole. An object of more than limit bytes is an
// error, so that a planted giant cannot exhaust the memory (invariant 7).
func Get(ctx context.Context, r Reader, name string, limit int64) ([]byte, error) {
	body, err := r.Open(ctx, name, 0, -1)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }() // everything was read; closing says nothing new
	data, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", name, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("object %q is larger than the %d bytes that such an object may have", name, limit)
	}
	return data, nil
}
