package repository

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// copyPiece is how many bytes are read at a time.
const copyPiece = 256 << 10

// transferred is what one file has cost.
type transferred struct{ files, bytes int64 }

// file copies one file, unless the copy has it.
func (c *copying) file(ctx context.Context, p *Point, f File) (transferred, error) {
	if i, ok := c.there.find(f.Path); ok {
		var sum *uint32
		if c.there.checked {
			sum = &c.there.checksums[i]
		}
		if found, damaged := compareListed(f, c.there.sizes[i], sum); damaged {
			return transferred{}, fault.New(fault.Corrupt, "copy point "+p.Point, "in the copy %s is %s: it must have %s and has %s", f.Path, found.Kind, found.Expected, found.Got).
				On(c.to.URL()).Hint("nothing is overwritten: delete that file in the copy, and copy again")
		}
		return transferred{}, nil
	}
	if !c.first(f.Path) {
		return transferred{}, nil
	}
	n, err := c.send(ctx, p, f)
	if err != nil {
		c.forget(f.Path)
		return transferred{}, err
	}
	return transferred{1, n}, nil
}

// first reports whether a file was not sent yet: later points need packs of earlier
// ones. Of one point every file is named once.
func (c *copying) first(path string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	sent := c.sent[path]
	c.sent[path] = true
	return !sent
}

func (c *copying) forget(path string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.sent, path)
}

// send reads a file at home, holds it against its checksum, and commits it then.
func (c *copying) send(ctx context.Context, p *Point, f File) (int64, error) {
	body, err := c.from.Open(ctx, f.Path, 0, -1)
	if errors.Is(err, storage.ErrNotExist) {
		return 0, fault.New(fault.Corrupt, "copy point "+p.Point, "%s is missing", f.Path).On(c.from.URL()).
			Hint("openim-dr check %s says what else is", p.Point)
	}
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", f.Path, err)
	}
	defer func() { _ = body.Close() }() // everything was read; closing says nothing new
	upload, err := c.to.Create(ctx, f.Path)
	if err != nil {
		return 0, fmt.Errorf("write %s: %w", f.Path, err)
	}
	defer upload.Abort()
	sums := seal.NewSummer(upload)
	if err := c.pump(ctx, sums, body); err != nil {
		return 0, fmt.Errorf("copy %s: %w", f.Path, err)
	}
	got := sums.Sums()
	if f.Size != unknownSize && got.Size != f.Size || got.SHA256 != f.SHA256 {
		return 0, fault.New(fault.Corrupt, "copy point "+p.Point, "%s has %s with SHA-256 %s, and it was written with %s", f.Path, bytesText(got.Size), got.SHA256, f.SHA256).
			On(c.from.URL()).Hint("openim-dr check %s --read-data says what else is damaged", p.Point)
	}
	info, err := upload.Commit()
	if err != nil {
		return 0, fmt.Errorf("write %s: %w", f.Path, err)
	}
	return got.Size, info.Check(got.Size, got.CRC32C)
}

// pump copies no faster than the limit lets it.
func (c *copying) pump(ctx context.Context, to io.Writer, from io.Reader) error {
	buf := make([]byte, copyPiece)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if c.limit != nil {
				if err := c.limit.WaitN(ctx, n); err != nil {
					return err
				}
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// wraps copies those wraps of a key that the copy lacks.
func (c *copying) wraps(ctx context.Context, key string) error {
	found, err := wraps(ctx, c.from, key)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return fault.New(fault.Corrupt, "copy key "+shortKey(key), "no wrap of it is left").On(c.from.URL())
	}
	for _, f := range found {
		if err := c.wrap(ctx, f.Path); err != nil {
			return err
		}
	}
	return nil
}

// wrap copies one wrap. Nothing says what its bytes must be; whoever opens it sees.
func (c *copying) wrap(ctx context.Context, path string) error {
	if c.there != nil && c.there.has(path) {
		return nil
	}
	content, err := storage.Get(ctx, c.from, path, maxWrap)
	if err == nil {
		err = seal.CheckWrap(content)
	}
	if errors.Is(err, storage.ErrNotExist) {
		return nil // taken away meanwhile, as rekey does
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	_, err = storage.Put(ctx, c.to, path, content)
	if errors.Is(err, storage.ErrExist) {
		return nil // another wrap for the same recipient
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	c.result.Files, c.result.Bytes = c.result.Files+1, c.result.Bytes+int64(len(content))
	return nil
}
