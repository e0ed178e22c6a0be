package dir

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/storage"
)

// window is how many entries of one directory are held at once. A larger
// directory is read several times, each time for the entries that follow
// (invariant 7).
const window = 16 << 10

// List walks the directories so that full names come in byte order.
func (s *Store) List(ctx context.Context, prefix string, fn func(storage.Info) error) error {
	if err := storage.CheckPrefix(prefix); err != nil {
		return err
	}
	// A directory wholly before the last slash is entered; what follows the
	// slash selects among its entries.
	dir, rest := ".", prefix
	if slash := strings.LastIndexByte(prefix, '/'); slash >= 0 {
		dir, rest = prefix[:slash], prefix[slash+1:]
	}
	if dir == tempDir || strings.HasPrefix(dir, tempDir+"/") {
		return nil
	}
	w := &walk{store: s, ctx: ctx, fn: fn, window: window}
	return w.directory(dir, rest)
}

// Dirs reads one directory, and looks into those in it: one that holds no
// object any more is none.
func (s *Store) Dirs(ctx context.Context, dir string, span storage.Span) ([]string, error) {
	if err := storage.CheckDir(dir); err != nil {
		return nil, err
	}
	if dir == tempDir+"/" || strings.HasPrefix(dir, tempDir+"/") {
		return nil, nil
	}
	within, err := s.namesIn(ctx, path.Clean(dir), span) // "." where it is empty
	if err != nil {
		return nil, err
	}
	var names []string
	for _, name := range within {
		holds, err := s.holdsObject(ctx, path.Join(dir, name))
		if err != nil {
			return nil, err
		}
		if holds {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// namesIn reads the names in a directory that a span holds. Nothing is asked of those
// that it does not hold, as fs.ReadDirFile would of each: there may be many more.
func (s *Store) namesIn(ctx context.Context, dir string, span storage.Span) (names []string, err error) {
	d, err := s.root.Open(dir)
	if err != nil {
		return nil, gone(mapError("list", dir, err))
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if fi, err := d.Stat(); err != nil || !fi.IsDir() {
		return nil, mapError("list", dir, err) // a file has no entries
	}
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		batch, err := d.Readdirnames(1024)
		for _, name := range batch {
			if span.Holds(name) && (dir != "." || name != tempDir) {
				names = append(names, name)
			}
		}
		if errors.Is(err, io.EOF) {
			return names, nil
		}
		if err != nil {
			return nil, gone(mapError("list", dir, err))
		}
	}
}

// errFound ends a listing that has seen enough.
var errFound = errors.New("found")

// holdsObject reports whether what a name stands for is a directory with an object in it.
func (s *Store) holdsObject(ctx context.Context, dir string) (bool, error) {
	if fi, err := s.root.Lstat(dir); err != nil || !fi.IsDir() { // a pipe would block whoever opens it
		return false, gone(mapError("list", dir, err))
	}
	err := s.List(ctx, dir+"/", func(storage.Info) error { return errFound })
	if errors.Is(err, errFound) {
		return true, nil
	}
	return false, err
}

type walk struct {
	store  *Store
	ctx    context.Context // of List, which waits for the walk
	fn     func(storage.Info) error
	window int
}

// entry is one name in a directory. Its key is what the full names below it
// begin with: a directory's ends in a slash, since "a-b" < "a/" < "a0".
type entry struct {
	key string
	dir bool
}

// directory delivers the objects in dir whose names there begin with prefix.
func (w *walk) directory(dir, prefix string) error {
	after, more := "", true
	for more {
		var entries []entry
		var err error
		entries, more, err = w.next(dir, prefix, after)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := w.entry(dir, e); err != nil {
				return err
			}
			after = e.key
		}
	}
	return nil
}

func (w *walk) entry(dir string, e entry) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	name := path.Join(dir, e.key) // without the slash at its end
	if e.dir {
		return w.directory(name, "")
	}
	info, err := w.store.lstat("list", name)
	if errors.Is(err, storage.ErrNotExist) {
		return nil // deleted meanwhile
	}
	if err != nil {
		return err
	}
	return w.fn(info)
}

// next returns, in order, the first entries of dir whose keys come after the
// given one, and whether there are more.
func (w *walk) next(dir, prefix, after string) (entries []entry, more bool, err error) {
	d, err := w.store.root.Open(dir)
	if err != nil {
		return nil, false, gone(mapError("list", dir, err))
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if fi, err := d.Stat(); err != nil || !fi.IsDir() {
		return nil, false, mapError("list", dir, err) // a file has no entries
	}
	for {
		if err := w.ctx.Err(); err != nil {
			return nil, false, err
		}
		batch, err := d.ReadDir(1024)
		for _, de := range batch {
			e, ok := toEntry(dir, de)
			if ok && strings.HasPrefix(de.Name(), prefix) && e.key > after {
				entries = append(entries, e)
			}
		}
		end := errors.Is(err, io.EOF)
		if err != nil && !end {
			return nil, false, gone(mapError("list", dir, err))
		}
		if end || len(entries) >= 2*w.window {
			slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.key, b.key) })
			if len(entries) > w.window {
				clear(entries[w.window:])
				entries, more = entries[:w.window], true
			}
		}
		if end {
			return entries, more, nil
		}
	}
}

func toEntry(dir string, de fs.DirEntry) (e entry, ok bool) {
	if dir == "." && de.Name() == tempDir {
		return entry{}, false
	}
	if de.IsDir() {
		return entry{key: de.Name() + "/", dir: true}, true
	}
	return entry{key: de.Name()}, true
}

// gone takes a directory that was removed meanwhile for an empty one.
func gone(err error) error {
	if errors.Is(err, storage.ErrNotExist) {
		return nil
	}
	return err
}
