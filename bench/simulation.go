package main

import (
	"bytes"
	"context"
	"encoding/gob"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

const (
	simulatedPoints   = 20_000 // one an hour, for more than two years
	filesOfAPoint     = 50
	simulatedSegments = 1_800
	packsOfASegment   = 500
	segmentsOfAPoint  = 5
	orphanPacks       = 1_000 // which nobody needs
)

// simulation is a repository that can only be read. What plans read of it stands in
// one file; all other files have names alone, made up while they are listed.
type simulation struct {
	file  *os.File
	known map[string]extent
	ids   []string
	files int // that a listing has shown
}

// extent is where a file's content stands.
type extent struct{ Offset, Size int64 }

// layout is what a simulation knows besides its file.
type layout struct {
	Signer string
	IDs    []string
	Known  map[string]extent
}

func openSimulation(dir string) (*simulation, seal.Trust, error) {
	data, err := os.ReadFile(filepath.Join(dir, "layout"))
	if err != nil {
		return nil, nil, err
	}
	var l layout
	if err := gob.NewDecoder(bytes.NewReader(data)).Decode(&l); err != nil {
		return nil, nil, err
	}
	file, err := os.Open(filepath.Join(dir, "contents"))
	if err != nil {
		return nil, nil, err
	}
	trust, err := trustOf(l.Signer)
	return &simulation{file: file, known: l.Known, ids: l.IDs}, trust, err
}

// born is when the storage saw all of it but the manifests.
var born = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

func (s *simulation) info(name string) storage.Info {
	i := storage.Info{Name: name, Size: 1 << 20, Created: born}
	if at, ok := s.known[name]; ok {
		i.Size = at.Size
	}
	if id, ok := strings.CutPrefix(name, "points/"); ok && len(id) > 16 {
		if began, err := time.Parse("20060102T150405Z", id[:16]); err == nil {
			i.Created = began.Add(time.Minute)
		}
	}
	return i
}

// List lists everything, in order. Of single directories it knows what has a content.
func (s *simulation) List(ctx context.Context, prefix string, fn func(storage.Info) error) error {
	if prefix != "" {
		for _, name := range slices.Sorted(maps.Keys(s.known)) {
			if strings.HasPrefix(name, prefix) {
				if err := fn(s.info(name)); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return s.each(func(name string) error {
		s.files++
		if err := ctx.Err(); err != nil {
			return err
		}
		return fn(s.info(name))
	})
}

// each makes all names up, in byte order.
func (s *simulation) each(fn func(name string) error) error {
	do := func(names ...string) (err error) {
		for _, name := range names {
			if err == nil {
				err = fn(name)
			}
		}
		return err
	}
	for n := range simulatedSegments {
		if err := do("index/"+letters(n, 26)+".jsonl.zst.age", "index/"+letters(n, 26)+".packs.json"); err != nil {
			return err
		}
	}
	for n := range simulatedPoints {
		if err := do("keys/"+hexKey(n)+"/00000000000000000000000000000001.age", "keys/"+hexKey(n)+"/00000000000000000000000000000002.age"); err != nil {
			return err
		}
	}
	for n := range simulatedSegments*packsOfASegment + orphanPacks {
		if err := do(packName(n)); err != nil {
			return err
		}
	}
	for _, id := range s.ids {
		if err := do(append(pointFiles(id), "points/"+id+"/manifest.json", "points/"+id+"/manifest.json.minisig")...); err != nil {
			return err
		}
	}
	if err := do("repository/1.json", "repository/1.json.minisig"); err != nil {
		return err
	}
	for _, id := range s.ids {
		if err := do("runs/" + id + "/start.json"); err != nil {
			return err
		}
	}
	return nil
}

// Dirs knows the directories that a plan asks for.
func (s *simulation) Dirs(_ context.Context, dir string, span storage.Span) ([]string, error) {
	if dir != "points/" {
		return nil, nil
	}
	return slices.DeleteFunc(slices.Clone(s.ids), func(id string) bool { return !span.Holds(id) }), nil
}

// Stat describes what has a content.
func (s *simulation) Stat(_ context.Context, name string) (storage.Info, error) {
	if _, ok := s.known[name]; !ok {
		return storage.Info{}, fmt.Errorf("stat %q: %w", name, storage.ErrNotExist)
	}
	return s.info(name), nil
}

// Open reads what has a content.
func (s *simulation) Open(_ context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	at, ok := s.known[name]
	if !ok {
		return nil, fmt.Errorf("open %q: %w", name, storage.ErrNotExist)
	}
	if length < 0 {
		length = at.Size - offset
	}
	return io.NopCloser(io.NewSectionReader(s.file, at.Offset+offset, length)), nil
}

// URL names the simulation.
func (s *simulation) URL() string { return "simulation" }

// Create fails: a plan changes nothing.
func (s *simulation) Create(context.Context, string) (storage.Upload, error) {
	return nil, storage.ErrDenied
}

// Delete fails like Create.
func (s *simulation) Delete(context.Context, storage.Info) error { return storage.ErrDenied }

// letters writes a number as a name of the format, in order.
func letters(n, width int) string {
	name := bytes.Repeat([]byte("a"), width)
	for i := width - 1; n > 0; i-- {
		name[i] = byte('a' + n%26) // below 26
		n /= 26
	}
	return string(name)
}

func hexKey(n int) string { return fmt.Sprintf("%064x", n) }

// packName spreads packs over directories as their random names do.
func packName(n int) string {
	const each = (simulatedSegments*packsOfASegment + orphanPacks) / 600
	id := letters(n/each, 2) + letters(n%each, 24)
	return "packs/" + id[:2] + "/" + id + ".tar.age"
}

func packID(n int) string {
	name := packName(n)
	return strings.TrimSuffix(name[len("packs/aa/"):], ".tar.age")
}

// pointFiles are a point's own files but its manifest, in order.
func pointFiles(id string) []string {
	dir := "points/" + id + "/"
	names := []string{dir + "details.jsonl.zst.age"}
	for n := range filesOfAPoint - 2 {
		names = append(names, fmt.Sprintf("%smain/openIM_v3/conversation_%03d/000001.tsv.zst.age", dir, n))
	}
	return append(names, dir+"main/openim.json")
}
