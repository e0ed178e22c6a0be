package repository

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// contents reads files of which it is known beforehand what they must be: those that
// a signed manifest leads to, and wraps of keys. Where the repository has copies to
// fall back on, a file that is missing or damaged in one place, or cannot be read
// there, is taken from the next. Whoever reads holds it against its sums as always,
// so that a copy has to be trusted no more than the repository itself.
//
// What a repository says of itself (records, states, proofs, logs, leases) is its own
// and is never taken from elsewhere.
type contents struct {
	places []storage.Reader // the repository's own first

	mu    sync.Mutex
	gone  map[int]bool        // places that are not asked any more
	files map[string]*wholeIn // only where there is a choice
	noted map[lackingFile]bool
	fell  FellBack
}

// wholeIn is where a file was seen to be whole.
type wholeIn struct {
	mu    sync.Mutex
	known bool
	place int
}

type lackingFile struct {
	place int
	path  string
}

// FellBack is what could not be read where it should stand.
type FellBack struct {
	// Unreachable are the places that are not asked any more, and Why the reasons.
	Unreachable []Unreachable `json:"unreachable"`
	// Files came from a later place since an earlier one lacks them, or holds
	// something else: all of them are counted, and the first are named.
	Count int64          `json:"count"`
	Files []ReplacedFile `json:"files"`
}

// Unreachable is a place that could not be read any more.
type Unreachable struct {
	Place string `json:"place"`
	Why   string `json:"why"`
}

// ReplacedFile is a file that came from another place than the one in which it is
// damaged.
type ReplacedFile struct {
	File   string `json:"file"`
	Damage Damage `json:"damage"`
	Place  string `json:"place"`
	From   string `json:"from"`
}

const (
	// mostReplaced bounds the files that are named.
	mostReplaced = 100
	// mostRemembered bounds the files of which it is remembered where they are whole.
	mostRemembered = 64 << 10
)

func newContents(own storage.Reader, copies ...storage.Reader) *contents {
	return &contents{places: append([]storage.Reader{own}, copies...), gone: map[int]bool{}, files: map[string]*wholeIn{}, noted: map[lackingFile]bool{}}
}

// FellBack returns what was taken from copies so far; nil where nothing was.
func (r *Repository) FellBack() *FellBack {
	c := r.contents
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fell.Count == 0 && len(c.fell.Unreachable) == 0 {
		return nil
	}
	fell := FellBack{slices.Clone(c.fell.Unreachable), c.fell.Count, slices.Clone(c.fell.Files)}
	if fell.Unreachable == nil {
		fell.Unreachable = []Unreachable{}
	}
	if fell.Files == nil {
		fell.Files = []ReplacedFile{}
	}
	return &fell
}

// open reads a range of a file, from the first place that holds the file whole.
// Where none does it is the first one that can be reached: what is wrong with the
// file is found by whoever reads it.
func (c *contents) open(ctx context.Context, f File, offset, length int64) (io.ReadCloser, error) {
	if len(c.places) == 1 {
		return c.places[0].Open(ctx, f.Path, offset, length)
	}
	place, whole, err := c.find(ctx, f)
	if err != nil {
		return nil, err
	}
	if !whole {
		return c.places[place].Open(ctx, f.Path, offset, length)
	}
	body := &fallingReader{ctx: ctx, contents: c, file: f, place: place, offset: offset, left: length}
	if err := body.open(); err != nil {
		return nil, err
	}
	return body, nil
}

// find returns the first place that holds a file whole, or where none does the first
// that can be reached. What a storage says of a file's checksum is not enough: it may
// have kept that, and not the bytes.
func (c *contents) find(ctx context.Context, f File) (place int, whole bool, err error) {
	at := c.fileOf(f.Path)
	at.mu.Lock()
	defer at.mu.Unlock()
	if at.known && !c.isGone(at.place) {
		return at.place, true, nil
	}
	at.known = false
	err = c.try(ctx, func(place int, last bool) (string, error) {
		damage, err := c.damageOf(ctx, c.places[place], f, last)
		if err == nil && damage != Intact {
			err = &damageError{damage}
		}
		if err == nil {
			at.place, at.known = place, true
		}
		return f.Path, err
	})
	if left := c.reachable(); err != nil && lacks(err) && len(left) > 0 {
		return left[0], false, nil
	}
	return at.place, true, err
}

// damageOf says what is wrong with a file in one place. Where a look finds nothing the
// file is read, unless it is the last place that there is: whoever wants the file reads
// it there, and judges.
func (c *contents) damageOf(ctx context.Context, place storage.Reader, f File, last bool) (Damage, error) {
	info, err := place.Stat(ctx, f.Path)
	if err != nil {
		return Intact, err
	}
	if finding, damaged := compareListed(f, info.Size, info.CRC32C); damaged {
		return finding.Kind, nil
	}
	if last {
		return Intact, nil
	}
	status, err := verifyFile(f, func() (io.ReadCloser, error) { return place.Open(ctx, f.Path, 0, -1) })
	return status.Damage, err
}

// look says whether a file is there with its size, in any of the places.
func (c *contents) look(ctx context.Context, f File) (Damage, error) {
	err := c.try(ctx, func(place int, _ bool) (string, error) {
		info, err := c.places[place].Stat(ctx, f.Path)
		if err != nil {
			return f.Path, err
		}
		if finding, damaged := compareListed(File{Path: f.Path, Size: f.Size}, info.Size, nil); damaged {
			return f.Path, &damageError{finding.Kind}
		}
		return f.Path, nil
	})
	if err != nil && lacks(err) {
		return damageIn(err), nil
	}
	return Intact, err
}

// plain reads a small file that must have a SHA-256.
func (c *contents) plain(ctx context.Context, path, sha256 string) (data []byte, err error) {
	err = c.try(ctx, func(place int, _ bool) (string, error) {
		if data, err = storage.Get(ctx, c.places[place], path, maxPlain); err != nil {
			return path, err
		}
		if got := seal.SumOf(data).SHA256; got != sha256 {
			return path, fmt.Errorf("%w: got SHA-256 %s, want %s", seal.ErrAltered, got, sha256)
		}
		return path, nil
	})
	return data, err
}

// try asks one place after the other, until one has what is wanted. Where none has,
// it returns what the first has said, as if that were the only one.
func (c *contents) try(ctx context.Context, ask func(place int, last bool) (path string, err error)) error {
	damages := map[int]Damage{}
	var first error
	left := c.reachable()
	for i, place := range left {
		path, err := ask(place, i == len(left)-1)
		switch {
		case err == nil:
			c.noteReplaced(path, damages, place)
			return nil
		case len(c.places) == 1 || ctx.Err() != nil:
			return err
		case !lacks(err):
			c.leave(place, err)
			continue
		case first == nil:
			first = err
		}
		damages[place] = damageIn(err)
	}
	if first == nil {
		return c.nowhere()
	}
	return first
}

// damageError is a file that is not what it must be.
type damageError struct{ damage Damage }

func (e *damageError) Error() string { return "it is " + string(e.damage) }

// lacks reports whether an error is about what a place holds: any other one is about
// the place.
func lacks(err error) bool {
	for _, ofTheFile := range []error{storage.ErrNotExist, storage.ErrChecksum, storage.ErrChanged, seal.ErrAltered} {
		if errors.Is(err, ofTheFile) {
			return true
		}
	}
	if errors.Is(err, storage.ErrDenied) {
		return false
	}
	kind := fault.KindOf(err)
	return errors.As(err, new(*damageError)) || kind == fault.Corrupt || kind == fault.Usage
}

func damageIn(err error) Damage {
	var damaged *damageError
	switch {
	case errors.As(err, &damaged):
		return damaged.damage
	case errors.Is(err, storage.ErrNotExist), fault.KindOf(err) == fault.Usage:
		return Missing
	default:
		return Altered
	}
}

func (c *contents) fileOf(path string) *wholeIn {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.files) >= mostRemembered {
		clear(c.files) // what is asked for again is looked for again
	}
	if c.files[path] == nil {
		c.files[path] = new(wholeIn)
	}
	return c.files[path]
}

func (c *contents) isGone(place int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gone[place]
}

// reachable are the places that are asked, in their order.
func (c *contents) reachable() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	var left []int
	for i := range c.places {
		if !c.gone[i] {
			left = append(left, i)
		}
	}
	return left
}

// leave gives a place up: it did not answer, after all the patience that its driver
// has, and every further file would wait as long.
func (c *contents) leave(place int, why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone[place] {
		return
	}
	c.gone[place] = true
	c.fell.Unreachable = append(c.fell.Unreachable, Unreachable{c.places[place].URL(), why.Error()})
}

// nowhere is the error where no place is left.
func (c *contents) nowhere() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var why []error
	for _, u := range c.fell.Unreachable {
		why = append(why, fmt.Errorf("%s: %s", u.Place, u.Why))
	}
	return fmt.Errorf("none of the places can be reached any more: %w", errors.Join(why...))
}

// noteReplaced notes the places that lack a file which another one has.
func (c *contents) noteReplaced(path string, damages map[int]Damage, from int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for place, damage := range damages {
		lacking := lackingFile{place, path}
		if c.noted[lacking] {
			continue
		}
		c.noted[lacking] = true
		c.fell.Count++
		if len(c.fell.Files) < mostReplaced {
			c.fell.Files = append(c.fell.Files, ReplacedFile{path, damage, c.places[place].URL(), c.places[from].URL()})
		}
	}
}
