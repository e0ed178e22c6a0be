package main

import (
	"bufio"
	"context"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/seal"
)

// simulate writes what plans read of a simulation.
func simulate(ctx context.Context, dir string) (err error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(dir, "contents"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	signer, err := seal.GenerateSigner()
	if err != nil {
		return err
	}
	s := &simulator{to: bufio.NewWriterSize(file, 1<<20), signer: signer, layout: layout{Signer: signer.PublicKey(), Known: map[string]extent{}}}
	for _, step := range []func(context.Context) error{s.record, s.segments, s.points} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if err := s.to.Flush(); err != nil {
		return err
	}
	index, err := os.Create(filepath.Join(dir, "layout"))
	if err != nil {
		return err
	}
	return errors.Join(gob.NewEncoder(index).Encode(s.layout), index.Close())
}

type simulator struct {
	layout

	to         *bufio.Writer
	signer     seal.Signer
	at         int64
	repository string
	lists      map[int]string // by segment: the SHA-256 of its list of packs
}

func (s *simulator) put(name string, data []byte) error {
	s.Known[name] = extent{s.at, int64(len(data))}
	s.at += int64(len(data))
	_, err := s.to.Write(data)
	return err
}

// record makes the repository's record as init does.
func (s *simulator) record(ctx context.Context) error {
	trust, err := trustOf(s.Signer)
	if err != nil {
		return err
	}
	reader, err := seal.GenerateIdentity(false)
	if err != nil {
		return err
	}
	memory := repotest.NewMemory()
	record, err := repository.Init(ctx, memory, repository.InitOptions{
		Instance: "bench", Signer: s.signer, Trust: trust, Now: born, DigestReaders: []seal.Recipient{reader.Recipient()},
	})
	if err != nil {
		return err
	}
	s.repository = record.Repository
	for _, name := range []string{"repository/1.json", "repository/1.json.minisig"} {
		if err := s.put(name, memory.Content(name)); err != nil {
			return err
		}
	}
	return nil
}

func (s *simulator) segments(context.Context) error {
	s.lists = map[int]string{}
	for n := range simulatedSegments {
		list := repository.SegmentPacks{Segment: letters(n, 26)}
		for i := range packsOfASegment {
			list.Packs = append(list.Packs, repository.SegmentPack{
				PackRef: repository.PackRef{ID: packID(n*packsOfASegment + i), Key: hexKey(n), Size: 64 << 20, CRC32C: 1 << 31, SHA256: hexKey(i)}, LiveBytes: 60 << 20,
			})
		}
		data, err := json.MarshalIndent(list, "", " ")
		if err != nil {
			return err
		}
		s.lists[n] = seal.SumOf(data).SHA256
		if err := s.put("index/"+list.Segment+".packs.json", data); err != nil {
			return err
		}
	}
	return nil
}

func (s *simulator) points(context.Context) error {
	began := time.Now().UTC().Truncate(time.Second).Add(-simulatedPoints * time.Hour)
	var previous *repository.Link
	for n := range simulatedPoints {
		id := began.Add(time.Duration(n)*time.Hour).Format("20060102T150405Z") + "-" + letters(n, 4)
		s.IDs = append(s.IDs, id)
		m, err := s.manifest(id, n, previous)
		if err != nil {
			return err
		}
		data, err := json.MarshalIndent(m, "", " ")
		if err != nil {
			return err
		}
		signature, err := s.signer.Sign(data, m.Path)
		if err != nil {
			return err
		}
		if err := errors.Join(s.put(m.Path, data), s.put(m.Path+".minisig", signature)); err != nil {
			return err
		}
		previous = &repository.Link{Point: id, SHA256: seal.SumOf(data).SHA256}
	}
	return nil
}

// manifest is that of a point of MySQL and of one bucket.
func (s *simulator) manifest(id string, n int, previous *repository.Link) (*repository.Manifest, error) {
	began, err := repository.PointTime(id)
	if err != nil {
		return nil, err
	}
	list, err := s.bucketList(n)
	if err != nil {
		return nil, err
	}
	m := &repository.Manifest{
		Header: repository.Header{Kind: "manifest", Format: repository.Format, Repository: s.repository, Path: "points/" + id + "/manifest.json"},
		Point:  id, Instance: "bench", Tool: "bench", Stream: "hourly", Seq: int64(n) + 1, Previous: previous,
		Started: began, Ended: began.Add(time.Minute), Complete: true, Requires: []string{},
		Keys: repository.Keys{Point: hexKey(n), Packs: []string{}},
	}
	tables := map[string]any{}
	for i, path := range pointFiles(id) {
		f := repository.File{Path: path, Size: 1 << 20, CRC32C: 1 << 31, SHA256: hexKey(i)}
		if i == filesOfAPoint-1 {
			f = repository.File{Path: path, Size: int64(len(list)), SHA256: seal.SumOf(list).SHA256}
			err = s.put(path, list)
		}
		m.Files = append(m.Files, f)
		tables[fmt.Sprintf("conversation_%03d", i)] = map[string]any{"rows": 123_456, "bytes": 12_345_678, "digest": hexKey(i)[:32], "chunks": 1}
	}
	captured, failed := json.Marshal(map[string]any{"server": "8.4.6", "consistency": "global-lock", "tables": tables})
	m.Sources = []repository.Source{{
		Name: "main", Kind: "mysql", FormatVersion: 1, Started: m.Started, Ended: m.Ended, Complete: true,
		Summary: repository.Summary{Rows: 5_000_000, Bytes: 1 << 30}, Captured: captured,
	}}
	return m, errors.Join(err, failed)
}

// bucketList is that of a bucket which changes slowly: most segments of a point are
// those of the one before.
func (s *simulator) bucketList(n int) ([]byte, error) {
	list := repository.BucketList{Bucket: "openim", Order: "bytes"}
	first := n * (simulatedSegments - segmentsOfAPoint) / (simulatedPoints - 1)
	for i := first; i < first+segmentsOfAPoint; i++ {
		list.Segments = append(list.Segments, repository.SegmentRef{
			ID: letters(i, 26), Key: hexKey(i), Entries: 65_536, Size: 8 << 20, CRC32C: 1 << 31, SHA256: hexKey(i), PacksSHA256: s.lists[i],
		})
	}
	return json.MarshalIndent(list, "", " ")
}
