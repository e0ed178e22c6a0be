package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// seedStreams streams have one point each that a writer has taken; the points
// after it are copies of it under other ids, with manifests of their own that the
// same key has signed. To take all of them would be no other repository, and take
// hours: each begins with reading those before.
const seedStreams = 5

func seedRepository(ctx context.Context, store storage.Storage, objects string, t tool) error {
	w, signer, err := openSeedWriter(ctx, store, t)
	if err != nil {
		return err
	}
	var first []*repository.Manifest // all of them while listings are short
	for n := range seedStreams {
		m, err := seedPoint(ctx, w, fmt.Sprintf("stream-%d", n))
		if err != nil {
			return err
		}
		first = append(first, m)
	}
	for _, m := range first {
		c := &copier{store: store, objects: objects, signer: signer, first: m}
		if err := c.copies(ctx, checkPoints/seedStreams-1); err != nil {
			return err
		}
	}
	return nil
}

func openSeedWriter(ctx context.Context, store storage.Storage, t tool) (*repository.Writer, seal.Signer, error) {
	key, err := os.ReadFile(filepath.Join(t.dir, "signing.key"))
	if err != nil {
		return nil, seal.Signer{}, err
	}
	signer, err := seal.ParseSigner(key)
	if err != nil {
		return nil, signer, err
	}
	identities, err := os.ReadFile(filepath.Join(t.dir, "catalog.key"))
	if err != nil {
		return nil, signer, err
	}
	catalog, err := seal.ParseIdentities(identities)
	if err != nil {
		return nil, signer, err
	}
	recipient, err := seal.ParseRecipient(t.recipient)
	if err != nil {
		return nil, signer, err
	}
	trusted, err := seal.NewTrustedSigner(signer.PublicKey(), seal.Roles, time.Time{}, time.Time{})
	if err != nil {
		return nil, signer, err
	}
	w, err := repository.OpenWriter(ctx, store, repository.WriterOptions{
		Options: repository.Options{Trust: seal.Trust{trusted}}, Instance: "bench", Tool: "bench", Signer: signer,
		Recipients: []seal.Recipient{recipient}, Catalog: catalog[0],
	})
	return w, signer, err
}

// seedPoint takes one point of many small tables and a bucket.
func seedPoint(ctx context.Context, w *repository.Writer, stream string) (*repository.Manifest, error) {
	ctx, lease, err := w.Acquire(ctx, repository.StreamLease("bench", stream))
	if err != nil {
		return nil, err
	}
	defer lease.Release()
	draft, err := w.Begin(ctx, stream, []string{"main"})
	if err != nil {
		return nil, err
	}
	defer draft.Abandon()
	sample := &repotest.Sample{Name: "main", Tables: map[string]string{}, Objects: map[string]string{}, Entries: 100}
	for n := range checkFiles {
		sample.Tables[fmt.Sprintf("openIM_v3/conversation_messages_%03d", n)] = "1\ta row\n"
	}
	for n := range 500 {
		sample.Objects[fmt.Sprintf("object-%03d", n)] = strings.Repeat("content ", 50)
	}
	if err := sample.Capture(ctx, draft.Source("main", repotest.SampleKind, 1), progress.Discard); err != nil {
		return nil, err
	}
	return draft.Commit(ctx)
}

// copier writes a point again under other ids.
type copier struct {
	store   storage.Storage
	objects string // where the emulator keeps them
	signer  seal.Signer
	first   *repository.Manifest
}

func (c *copier) copies(ctx context.Context, count int) error {
	manifest, err := storage.Get(ctx, c.store, c.first.Path, 1<<30)
	if err != nil {
		return err
	}
	previous := &repository.Link{Point: c.first.Point, SHA256: seal.SumOf(manifest).SHA256}
	for n := range count {
		m := c.next(n+1, previous)
		if err := c.files(ctx, m); err != nil {
			return err
		}
		data, err := json.MarshalIndent(m, "", " ")
		if err != nil {
			return err
		}
		signature, err := c.signer.Sign(data, m.Path)
		if err != nil {
			return err
		}
		if err := put(ctx, c.store, m.Path+".minisig", signature); err != nil {
			return err
		}
		if err := put(ctx, c.store, m.Path, data); err != nil {
			return err
		}
		previous = &repository.Link{Point: m.Point, SHA256: seal.SumOf(data).SHA256}
	}
	return nil
}

// next is the manifest of the n-th copy: an hour later than the one before.
func (c *copier) next(n int, previous *repository.Link) *repository.Manifest {
	m := *c.first
	later := time.Duration(n) * time.Hour
	m.Started, m.Ended = m.Started.Add(later), m.Ended.Add(later)
	m.Point = m.Started.Format("20060102T150405Z") + c.first.Point[len(c.first.Point)-5:]
	m.Path = strings.ReplaceAll(c.first.Path, c.first.Point, m.Point)
	m.Seq, m.Previous = int64(n)+1, previous
	m.Files = make([]repository.File, len(c.first.Files))
	for i, f := range c.first.Files {
		f.Path = strings.ReplaceAll(f.Path, c.first.Point, m.Point)
		m.Files[i] = f
	}
	return &m
}

// files gives the copy the files of the first point: the emulator keeps a file
// with its attributes for each object, so that a link is a copy. What names the
// point is written anew.
func (c *copier) files(ctx context.Context, m *repository.Manifest) error {
	from, to := filepath.Join(c.objects, "points", c.first.Point), filepath.Join(c.objects, "points", m.Point)
	script := fmt.Sprintf("cp -al %q %q && rm %q/manifest.json %q/manifest.json.minisig", from, to, to, to)
	if _, err := shell(ctx, script); err != nil {
		return err
	}
	start, err := storage.Get(ctx, c.store, "runs/"+c.first.Point+"/start.json", 1<<20)
	if err != nil {
		return err
	}
	return put(ctx, c.store, "runs/"+m.Point+"/start.json", bytes.ReplaceAll(start, []byte(c.first.Point), []byte(m.Point)))
}

func put(ctx context.Context, store storage.Storage, path string, data []byte) error {
	_, err := storage.Put(ctx, store, path, data)
	return err
}
