package mysql

import (
	"context"
	"fmt"

	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/seal"
)

// reportRows is after how many rows progress is shown.
const reportRows = 4096

// dumpSink writes rows into chunks of a point.
type dumpSink struct {
	draft *repository.SourceDraft
	shown progress.Task
	tally *tally
	tsv   tsvWriter

	table *tableRun
	file  *repository.FileWriter
	name  string
	zeros int64 // error values of ENUM columns in the chunk

	stored  total // since the range began, or since takeStored
	foreign int64 // JSON documents in the chunk that do not come back with all types
}

func newDumpSink(draft *repository.SourceDraft, key seal.DigestKey, shown progress.Task) *dumpSink {
	return &dumpSink{draft: draft, shown: shown, tally: newTally(key)}
}

func (s *dumpSink) begin(t *tableRun) {
	s.table, s.stored = t, total{}
}

func (s *dumpSink) takeStored() total {
	stored := s.stored
	s.stored = total{}
	return stored
}

func (s *dumpSink) row(ctx context.Context, values [][]byte) (stored bool, err error) {
	if s.file == nil {
		if err := s.create(ctx); err != nil {
			return false, err
		}
	}
	s.tally.row(values)
	for _, i := range s.table.enums {
		if string(values[i]) == "0" {
			s.zeros++
		}
	}
	for _, i := range s.table.documents {
		if isForeign(values[i]) {
			s.foreign++
		}
	}
	if err := s.tsv.row(values); err != nil {
		return false, err
	}
	if s.tally.rows%reportRows == 0 {
		s.shown.Add(reportRows)
	}
	if s.tsv.size() >= overfull*s.table.pace.fileBytes {
		return true, s.finish()
	}
	return false, nil
}

// create starts a chunk; a range without rows has none.
func (s *dumpSink) create(ctx context.Context) error {
	s.name = s.table.nextFile()
	file, err := s.draft.Create(ctx, s.name, s.table.schema, s.table.Name)
	if err != nil {
		return err
	}
	s.file = file
	s.tsv.reset(file)
	return nil
}

func (s *dumpSink) end() error {
	if s.file == nil {
		return nil
	}
	return s.finish()
}

// finish commits the chunk, and only then counts its rows.
func (s *dumpSink) finish() error {
	if err := s.tsv.flush(); err != nil {
		return err
	}
	if err := s.file.Commit(); err != nil {
		return fmt.Errorf("store chunk %s: %w", s.name, err)
	}
	s.file = nil
	c := chunk{File: s.name, total: total{Bytes: s.tsv.size()}, Warnings: s.zeros, Foreign: s.foreign}
	s.zeros, s.foreign = 0, 0
	c.Rows, c.Digest = s.tally.take()
	s.shown.Add(c.Rows % reportRows)
	s.table.add(c)
	s.stored.add(c.total)
	return nil
}

func (s *dumpSink) cancel() {
	s.tally.take()
	s.zeros, s.foreign = 0, 0
	if s.file != nil {
		s.file.Abort()
		s.file = nil
	}
}

// compareSink digests rows and keeps nothing.
type compareSink struct {
	tally *tally
	table *tableRun
	shown progress.Task
}

func (s *compareSink) begin(t *tableRun) { s.table = t }

func (s *compareSink) row(_ context.Context, values [][]byte) (stored bool, err error) {
	s.tally.row(values)
	return false, nil
}

func (s *compareSink) end() error {
	var c chunk
	c.Rows, c.Digest = s.tally.take()
	s.shown.Add(c.Rows)
	s.table.add(c)
	return nil
}

func (s *compareSink) cancel() { s.tally.take() }

func (s *compareSink) takeStored() total { return total{} }
