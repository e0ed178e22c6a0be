package verify

import (
	"bytes"
	"context"
	"io"

	"github.com/openim-dr/openim-dr/internal/storage"
)

// altered is a private copy of a storage of which one object is another one. Of
// the storage itself nothing is changed.
type altered struct {
	storage.Reader
	name string
	// content is what is there instead; nil: the object is missing.
	content []byte
}

func (a altered) Open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	switch {
	case name != a.name:
		return a.Reader.Open(ctx, name, offset, length)
	case a.content == nil:
		return nil, storage.ErrNotExist
	}
	content := a.content[min(offset, int64(len(a.content))):]
	if length >= 0 {
		content = content[:min(length, int64(len(content)))]
	}
	return io.NopCloser(bytes.NewReader(content)), nil
}

func (a altered) Stat(ctx context.Context, name string) (storage.Info, error) {
	if name == a.name && a.content == nil {
		return storage.Info{}, storage.ErrNotExist
	}
	info, err := a.Reader.Stat(ctx, name)
	if name == a.name {
		info.Size, info.CRC32C = int64(len(a.content)), nil
	}
	return info, err
}

func (a altered) List(ctx context.Context, prefix string, fn func(storage.Info) error) error {
	return a.Reader.List(ctx, prefix, func(info storage.Info) error {
		if info.Name != a.name {
			return fn(info)
		}
		if a.content == nil {
			return nil
		}
		info.Size, info.CRC32C = int64(len(a.content)), nil
		return fn(info)
	})
}

// flipped is a private copy of a storage in which one bit of one object is
// another. The object may be of any size.
type flipped struct {
	storage.Reader
	name string
	at   int64 // which byte
	bit  byte
}

func (f flipped) Open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	body, err := f.Reader.Open(ctx, name, offset, length)
	if err != nil || name != f.name {
		return body, err
	}
	return &flippedBody{body, f.at - offset, f.bit}, nil
}

// flippedBody flips a bit on its way.
type flippedBody struct {
	io.ReadCloser
	left int64 // bytes before it
	bit  byte
}

func (b *flippedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left >= 0 && b.left < int64(n) {
		p[b.left] ^= b.bit
	}
	b.left -= int64(n)
	return n, err
}
