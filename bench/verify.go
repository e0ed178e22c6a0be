package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/storage/gcs"
)

const (
	// checkPoints points of checkFiles files, with what they share, are the
	// repository that is checked: some 200,000 files.
	checkPoints = 500
	checkFiles  = 396

	checkLimit  = 3   // times the bare listing
	checkMemory = 128 // MiB

	listCommand = "a listing of the same objects through the same client library"
)

// checkSources are there because a configuration must name some: no server of that
// address is asked for anything.
const checkSources = `sources:
  - {name: main, kind: mysql, address: "127.0.0.1:1", user: nobody, schemas: [openIM_v3]}
`

// verifyBench is the state of the part that verifies.
type verifyBench struct {
	options
	server *emulator
	store  *gcs.Store
	tool   tool

	check, read, listing []measurement
}

// benchVerify checks a large repository in the emulator of GCS, in turn with
// bare listings of it.
func benchVerify(ctx context.Context, o options) (_ []result, err error) {
	b, err := newVerifyBench(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.store.Close(), b.server.stop()) }()
	began := time.Now()
	if err := seedRepository(ctx, b.store, filepath.Join(b.server.data, emulatorBucket, "repository"), b.tool); err != nil {
		return nil, fmt.Errorf("seed: %w", err)
	}
	fmt.Printf("verify: seeded %d points in %.0f s\n", checkPoints, time.Since(began).Seconds())
	if _, err := b.list(ctx); err != nil { // the emulator looks at every file once
		return nil, err
	}
	for round := range o.rounds {
		fmt.Printf("verify: round %d of %d\n", round+1, o.rounds)
		if err := b.round(ctx); err != nil {
			return nil, err
		}
	}
	compared := against("verify.check/listing", checkLimit, b.check, b.listing)
	compared.PeerCommand = listCommand
	compared.Note = fmt.Sprintf("%d points, %d objects", checkPoints, b.listing[0].bytes)
	compared.OursBytes, compared.PeerBytes = 0, 0
	return []result{compared, peak("verify.check.memory", checkMemory, b.check, b.read)}, nil
}

// newVerifyBench makes an empty repository in an emulator of its own.
func newVerifyBench(ctx context.Context, o options) (*verifyBench, error) {
	env, err := readEnv(o.env)
	if err != nil {
		return nil, err
	}
	if env["GCS_SERVER"] == "" {
		return nil, fmt.Errorf("GCS_SERVER %w", errNotThere)
	}
	dir := filepath.Join(o.out, "verify")
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	b := &verifyBench{options: o}
	if b.server, err = startEmulator(ctx, env["GCS_SERVER"], filepath.Join(dir, "objects")); err != nil {
		return nil, err
	}
	if err := b.prepare(ctx, dir); err != nil {
		return nil, errors.Join(err, b.server.stop())
	}
	return b, nil
}

func (b *verifyBench) prepare(ctx context.Context, dir string) (err error) {
	if err := os.Setenv("STORAGE_EMULATOR_HOST", b.server.host); err != nil {
		return err
	}
	if b.tool, err = newTool(ctx, b.binary, dir, "gs://"+emulatorBucket+"/repository", checkSources, "STORAGE_EMULATOR_HOST="+b.server.host); err != nil {
		return err
	}
	if _, _, err := b.tool.run(ctx, "init"); err != nil {
		return err
	}
	b.store, err = gcs.Open(ctx, emulatorBucket, "repository", gcs.Options{})
	return err
}

// round measures each once. What is read for its content is a share, as every
// day: it counts for memory alone.
func (b *verifyBench) round(ctx context.Context) error {
	listed, err := b.list(ctx)
	if err != nil {
		return err
	}
	b.listing = append(b.listing, listed)
	checked, _, err := b.tool.run(ctx, "check")
	if err != nil {
		return err
	}
	b.check = append(b.check, checked)
	read, _, err := b.tool.run(ctx, "check", "--read-data=1/30")
	b.read = append(b.read, read)
	fmt.Printf("verify: listing %.1f s; check %.1f s, %d MiB; with 1/30 read %.1f s, %d MiB\n",
		listed.elapsed.Seconds(), checked.elapsed.Seconds(), checked.memory>>20, read.elapsed.Seconds(), read.memory>>20)
	return err
}

// list opens the repository's storage, lists it and does nothing with it; bytes
// are objects here.
func (b *verifyBench) list(ctx context.Context) (m measurement, err error) {
	began := time.Now()
	store, err := gcs.Open(ctx, emulatorBucket, "repository", gcs.Options{})
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	err = store.List(ctx, "", func(storage.Info) error {
		m.bytes++
		return nil
	})
	m.elapsed = time.Since(began)
	return m, err
}
