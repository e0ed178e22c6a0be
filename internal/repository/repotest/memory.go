package repotest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/openim-dr/openim-dr/internal/storage"
)

// Memory is a storage in memory, for tests whose subject is not the storage. It
// works inside testing/synctest, whose clock it then shows.
type Memory struct {
	// Clock is the storage's own clock; nil is time.Now.
	Clock func() time.Time

	mu         sync.Mutex
	objects    map[string]object
	generation int
}

type object struct {
	data []byte
	info storage.Info
}

var _ storage.Storage = (*Memory)(nil)

// NewMemory returns an empty storage.
func NewMemory() *Memory { return &Memory{objects: map[string]object{}} }

// URL names the storage.
func (m *Memory) URL() string { return "memory" }

// Damage replaces a stored object behind everybody's back; nil removes it.
func (m *Memory) Damage(name string, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if data == nil {
		delete(m.objects, name)
		return
	}
	o := m.objects[name]
	o.data, o.info.Size = data, int64(len(data))
	m.objects[name] = o
}

// Plant puts an object there as somebody who can write but owns no key would.
func (m *Memory) Plant(name string, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(name, data)
}

// Content returns a stored object, or nil.
func (m *Memory) Content(name string) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return bytes.Clone(m.objects[name].data)
}

// Names lists the stored objects.
func (m *Memory) Names() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.objects))
}

func (m *Memory) put(name string, data []byte) storage.Info {
	m.generation++
	now := time.Now
	if m.Clock != nil {
		now = m.Clock
	}
	info := storage.Info{Name: name, Size: int64(len(data)), Generation: fmt.Sprint(m.generation), Created: now()}
	m.objects[name] = object{bytes.Clone(data), info}
	return info
}

// List lists.
func (m *Memory) List(ctx context.Context, prefix string, fn func(storage.Info) error) error {
	if err := storage.CheckPrefix(prefix); err != nil {
		return err
	}
	for _, name := range m.Names() {
		if err := ctx.Err(); err != nil {
			return err
		}
		info, err := m.Stat(ctx, name)
		if !strings.HasPrefix(name, prefix) || errors.Is(err, storage.ErrNotExist) {
			continue
		}
		if err := fn(info); err != nil {
			return err
		}
	}
	return nil
}

// Dirs groups what List lists.
func (m *Memory) Dirs(ctx context.Context, dir string, span storage.Span) ([]string, error) {
	if err := storage.CheckDir(dir); err != nil {
		return nil, err
	}
	var names []string
	err := m.List(ctx, dir, func(i storage.Info) error {
		name, _, more := strings.Cut(strings.TrimPrefix(i.Name, dir), "/")
		if more && span.Holds(name) && !slices.Contains(names, name) {
			names = append(names, name)
		}
		return nil
	})
	slices.Sort(names)
	return names, err
}

// Stat describes one object.
func (m *Memory) Stat(ctx context.Context, name string) (storage.Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.objects[name]
	if !ok {
		return storage.Info{}, fmt.Errorf("stat %q: %w", name, storage.ErrNotExist)
	}
	return o.info, ctx.Err()
}

// Open reads an object.
func (m *Memory) Open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.objects[name]
	if !ok {
		return nil, fmt.Errorf("open %q: %w", name, storage.ErrNotExist)
	}
	size := int64(len(o.data))
	if length < 0 {
		length = size - offset
	}
	if offset < 0 || length < 0 || length > size-offset {
		return nil, fmt.Errorf("open %q: range %d+%d is not within its %d bytes", name, offset, length, size)
	}
	return io.NopCloser(bytes.NewReader(o.data[offset : offset+length])), ctx.Err()
}

// Delete removes an object.
func (m *Memory) Delete(ctx context.Context, seen storage.Info) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if o, ok := m.objects[seen.Name]; ok && o.info.Generation != seen.Generation {
		return fmt.Errorf("delete %q: %w", seen.Name, storage.ErrChanged)
	}
	delete(m.objects, seen.Name)
	return ctx.Err()
}

// Create starts an object.
func (m *Memory) Create(ctx context.Context, name string) (storage.Upload, error) {
	if err := storage.CheckName(name); err != nil {
		return nil, err
	}
	return &memoryUpload{ctx: ctx, memory: m, name: name}, ctx.Err()
}

type memoryUpload struct {
	ctx    context.Context // of Create
	memory *Memory
	name   string
	data   []byte
	ended  bool
}

func (u *memoryUpload) Write(p []byte) (int, error) {
	if u.ended {
		return 0, fmt.Errorf("write %q: the upload has ended", u.name)
	}
	u.data = append(u.data, p...)
	return len(p), u.ctx.Err()
}

func (u *memoryUpload) Commit() (storage.Info, error) {
	if err := u.ctx.Err(); err != nil {
		return storage.Info{}, err
	}
	if u.ended {
		return storage.Info{}, fmt.Errorf("commit %q: the upload has ended", u.name)
	}
	u.memory.mu.Lock()
	defer u.memory.mu.Unlock()
	u.ended = true
	sum := crc32.Checksum(u.data, storage.Castagnoli())
	present, exists := u.memory.objects[u.name]
	if exists && !bytes.Equal(present.data, u.data) {
		return storage.Info{}, fmt.Errorf("create %q: %w", u.name, storage.ErrExist)
	}
	info := present.info
	if !exists {
		info = u.memory.put(u.name, u.data)
	}
	info.CRC32C = &sum
	return info, nil
}

func (u *memoryUpload) Abort() { u.ended = true }

// Clone returns a storage of its own with the same objects.
func (m *Memory) Clone() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &Memory{Clock: m.Clock, objects: maps.Clone(m.objects), generation: m.generation}
}

// Age shifts the time at which the storage has seen an object by some hours.
func (m *Memory) Age(name string, hours int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o := m.objects[name]
	o.info.Created = o.info.Created.Add(time.Duration(hours) * time.Hour)
	m.objects[name] = o
}
