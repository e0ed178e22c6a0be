package repository

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sort"
	"strings"
	"sync/atomic"

	"github.com/openim-dr/openim-dr/internal/storage"
)

// inventory is one listing of a whole repository, as small as it can be kept
// while every file can still be looked up and named: some fifty bytes a file.
// Looking up and marking is safe for concurrent use once it is filled.
type inventory struct {
	names     nameTable
	sizes     []int64
	checksums []uint32
	created   []uint32 // seconds, by the storage's clock
	marks     []uint32 // a bit for each file: something needs it, or has judged it
	// checked says that the storage delivers a checksum with every file.
	checked bool
	bytes   int64
}

// takeInventory lists everything. Names come in byte order, and that makes
// looking them up cheap.
func takeInventory(ctx context.Context, store storage.Reader, seen func(files int64)) (*inventory, error) {
	v := &inventory{checked: true}
	err := store.List(ctx, "", func(i storage.Info) error {
		if err := v.names.add(i.Name); err != nil {
			return err
		}
		var sum uint32
		if i.CRC32C == nil {
			v.checked = false
		} else {
			sum = *i.CRC32C
		}
		v.sizes, v.checksums = append(v.sizes, i.Size), append(v.checksums, sum)
		v.created = append(v.created, uint32(max(i.Created.Unix(), 0))) // until the year 2106
		v.bytes += i.Size
		seen(1)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", store.URL(), err)
	}
	v.marks = make([]uint32, (v.len()+31)/32)
	return v, nil
}

func (v *inventory) len() int { return v.names.count }

// find returns the number of a file, or false where the listing has not had it.
func (v *inventory) find(name string) (int, bool) {
	i := v.names.search(name)
	return i, i < v.len() && v.names.at(i) == name
}

func (v *inventory) has(name string) bool {
	_, ok := v.find(name)
	return ok
}

// below returns the numbers of the files whose names begin with a directory.
func (v *inventory) below(dir string) (from, to int) {
	end := strings.TrimSuffix(dir, "/") + "0" // the byte after "/"
	return v.names.search(dir), v.names.search(end)
}

// each calls fn for some files in the order of their names.
func (v *inventory) each(from, to int, fn func(i int, name string) error) error {
	return v.names.each(from, to, fn)
}

func (v *inventory) mark(i int) { atomic.OrUint32(&v.marks[i/32], 1<<(i%32)) }

func (v *inventory) marked(i int) bool { return atomic.LoadUint32(&v.marks[i/32])&(1<<(i%32)) != 0 }

// markPath marks a file by its name, if it is there.
func (v *inventory) markPath(name string) {
	if i, ok := v.find(name); ok {
		v.mark(i)
	}
}

// nameTable holds ascending names. Of each it keeps what the one before does
// not begin with; every restartth is whole, so that it can be searched.
type nameTable struct {
	count int
	last  string
	whole []int // where in text the whole names begin
	// text is in chunks, so that it never has to be copied to grow. All names
	// from one whole one to before the next stand in the same chunk.
	text [][]byte
}

const (
	restart = 16
	// nameChunk is when a chunk of names is full, in bytes; an offset is the number
	// of a chunk times nameSpan and a place in it.
	nameChunk = 1 << 20
	nameSpan  = 1 << 32
)

func (t *nameTable) add(name string) error {
	if t.count > 0 && cmp.Compare(name, t.last) <= 0 {
		return fmt.Errorf("the storage lists %q after %q, which is not in order", name, t.last)
	}
	shared := 0
	if t.count%restart == 0 {
		if len(t.text) == 0 || len(t.text[len(t.text)-1]) > nameChunk-4<<10 {
			t.text = append(t.text, make([]byte, 0, nameChunk))
		}
		t.whole = append(t.whole, (len(t.text)-1)*nameSpan+len(t.text[len(t.text)-1]))
	} else {
		for shared < min(len(name), len(t.last)) && name[shared] == t.last[shared] {
			shared++
		}
	}
	chunk := &t.text[len(t.text)-1]
	*chunk = binary.AppendUvarint(*chunk, uint64(shared))
	*chunk = binary.AppendUvarint(*chunk, uint64(len(name)-shared))
	*chunk = append(*chunk, name[shared:]...)
	t.count++
	t.last = name
	return nil
}

// step reads the name at an offset, given the one before, and returns it with
// the offset of the next.
func (t *nameTable) step(offset int, before []byte) (name []byte, next int) {
	text := t.text[offset/nameSpan][offset%nameSpan:]
	shared, n := binary.Uvarint(text)
	length, m := binary.Uvarint(text[n:])
	n += m
	end := n + int(length)                                       // written by add
	return append(before[:shared], text[n:end]...), offset + end // written by add
}

// first returns the whole name that a block begins with, where it stands.
func (t *nameTable) first(block int) []byte {
	offset := t.whole[block]
	text := t.text[offset/nameSpan][offset%nameSpan+1:] // nothing is shared, which is one byte
	length, n := binary.Uvarint(text)
	return text[n : n+int(length)] // written by add
}

// search returns the number of the first name that is not before this one.
func (t *nameTable) search(name string) int {
	// The last whole name that is not after it begins the block to look into.
	block := sort.Search(len(t.whole), func(b int) bool {
		return string(t.first(b)) > name
	}) - 1
	if block < 0 {
		return 0
	}
	var current [256]byte
	at, offset := current[:0], t.whole[block]
	i := block * restart
	for end := min(i+restart, t.count); i < end; i++ {
		if at, offset = t.step(offset, at); string(at) >= name {
			break
		}
	}
	return i
}

// at returns a name by its number.
func (t *nameTable) at(i int) string {
	var found string
	_ = t.each(i, i+1, func(_ int, name string) error { // fn fails never
		found = name
		return nil
	})
	return found
}

// each calls fn for the names from one number to before another.
func (t *nameTable) each(from, to int, fn func(i int, name string) error) error {
	if from >= to {
		return nil
	}
	block := from / restart
	var current []byte
	offset := 0
	for i := block * restart; i < to; i++ {
		if i%restart == 0 {
			offset = t.whole[i/restart]
		}
		current, offset = t.step(offset, current)
		if i < from {
			continue
		}
		if err := fn(i, string(current)); err != nil {
			return err
		}
	}
	return nil
}

// listedReader answers every listing from the one that was taken.
type listedReader struct {
	storage.Reader
	inv *inventory
}

// List implements storage.Reader.
func (l listedReader) List(_ context.Context, prefix string, fn func(storage.Info) error) error {
	err := l.inv.each(l.inv.names.search(prefix), l.inv.len(), func(i int, name string) error {
		if !strings.HasPrefix(name, prefix) {
			return errListed
		}
		return fn(storage.Info{Name: name, Size: l.inv.sizes[i]})
	})
	if errors.Is(err, errListed) {
		return nil
	}
	return err
}

// errListed ends a listing behind its last name.
var errListed = errors.New("listed")
