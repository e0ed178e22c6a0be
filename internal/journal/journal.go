// Package journal keeps what a restore has done so far: a numbered series of
// records, in the repository, or locally where nothing may be written there.
// Each step is noted before it changes anything and when it is done, so that
// another process can go on where one has ended.
package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// Place is where journals are kept.
type Place struct {
	Open func() (storage.ReadWriter, error)
	// Local says that it is this machine's, so that only here the restore can be
	// gone on with, and Why it is kept there.
	Local bool
	Why   string
}

// Journal is that of one restore. It is safe for concurrent use.
type Journal struct {
	repo    *repository.Repository
	restore string
	tool    string
	host    string
	log     *slog.Logger

	// turn is held by whoever writes a record: a lock whose wait ends with the
	// context.
	turn   chan struct{}
	places []Place            // to be tried for the first record
	store  storage.ReadWriter // that has taken it
	number int64
}

// New prepares the journal of a restore that begins. Nothing is written before
// the first record.
func New(repo *repository.Repository, restore, tool string, log *slog.Logger, places ...Place) *Journal {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return &Journal{repo: repo, restore: restore, tool: tool, host: host, log: log, turn: make(chan struct{}, 1), places: places}
}

// Note writes a record, and returns once it is durable. Where another process
// has written one of that number it is fault.Busy: two must not go on with one
// restore at once.
func (j *Journal) Note(ctx context.Context, r repository.RestoreRecord) error {
	select {
	case j.turn <- struct{}{}:
		defer func() { <-j.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	r.Restore, r.Number, r.Time, r.Host, r.Tool = j.restore, j.number+1, time.Now().UTC(), j.host, j.tool
	j.repo.CompleteRestoreRecord(&r)
	err := j.write(ctx, &r)
	if errors.Is(err, storage.ErrExist) {
		return fault.New(fault.Busy, "note what restore "+j.restore+" does", "another process goes on with it").
			Hint("wait for that one; should it be dead: openim-dr restore --resume %s", j.restore)
	}
	if err != nil {
		return fmt.Errorf("note what restore %s does: %w", j.restore, err)
	}
	j.number++
	return nil
}

func (j *Journal) write(ctx context.Context, r *repository.RestoreRecord) error {
	var data bytes.Buffer
	encoder := json.NewEncoder(&data)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(r); err != nil {
		return err
	}
	path := repository.RestorePath(r.Restore, r.Number)
	if j.store != nil {
		_, err := storage.Put(ctx, j.store, path, data.Bytes())
		return err
	}
	return j.settle(func(store storage.ReadWriter) error {
		_, err := storage.Put(ctx, store, path, data.Bytes())
		return err
	})
}

// settle keeps the journal in the first place that may be written to.
func (j *Journal) settle(write func(storage.ReadWriter) error) error {
	var denied error
	for _, place := range j.places {
		store, err := place.Open()
		if err == nil {
			err = write(store)
		}
		if errors.Is(err, storage.ErrDenied) {
			denied = errors.Join(denied, err)
			continue
		}
		if err != nil {
			return errors.Join(denied, err)
		}
		j.store = store
		if place.Local {
			j.log.Warn("the journal is kept on this machine, since "+place.Why+": only here can the restore be resumed",
				"restore", j.restore, "at", store.URL())
		}
		return nil
	}
	return denied
}

// maxRecord bounds what is read of a record. One may list every object that is
// wanted.
const maxRecord = 1 << 30

// Find reads the journal of a restore that has begun. Restore is an id, the
// beginning of one that fits no other, or latest.
func Find(ctx context.Context, repo *repository.Repository, restore, tool string, log *slog.Logger, places ...Place) (*Journal, *History, error) {
	for _, place := range places {
		store, err := place.Open()
		if err != nil {
			return nil, nil, err
		}
		id, err := resolve(ctx, store, restore)
		if err != nil {
			return nil, nil, err
		}
		if id == "" {
			continue
		}
		j := New(repo, id, tool, log)
		j.store = store
		h, err := j.read(ctx)
		return j, h, err
	}
	return nil, nil, fault.New(fault.Usage, "find the journal of restore "+restore, "there is none; %s", known(ctx, places)).
		Hint("openim-dr restore prints the id when it begins, and --resume latest means the newest; a journal that was kept locally is on that machine")
}

// known names the newest restores there are journals of. It is a help, and says
// what it can.
func known(ctx context.Context, places []Place) string {
	var all []string
	for _, place := range places {
		if store, err := place.Open(); err == nil {
			ids, _ := store.Dirs(ctx, repository.RestoresDir, storage.Span{})
			all = append(all, ids...)
		}
	}
	if len(all) == 0 {
		return "no restore is known"
	}
	slices.Sort(all)
	return "known are " + strings.Join(all[max(0, len(all)-3):], ", ")
}

// resolve finds the whole id, or "" where there is none.
func resolve(ctx context.Context, store storage.Reader, restore string) (string, error) {
	ids, err := store.Dirs(ctx, repository.RestoresDir, storage.Span{})
	if err != nil {
		return "", fmt.Errorf("list restores in %s: %w", store.URL(), err)
	}
	if restore == repository.Latest && len(ids) > 0 {
		return slices.Max(ids), nil
	}
	ids = slices.DeleteFunc(ids, func(id string) bool { return !strings.HasPrefix(id, restore) })
	switch {
	case restore == "" || len(ids) == 0:
		return "", nil
	case len(ids) > 1:
		return "", fault.New(fault.Usage, "find the journal of restore "+restore, "%d begin so, from %s to %s", len(ids), ids[0], ids[len(ids)-1]).
			Hint("give more of the id")
	default:
		return ids[0], nil
	}
}

// read reads all records, in their order.
func (j *Journal) read(ctx context.Context) (*History, error) {
	var paths []string
	err := j.store.List(ctx, repository.RestoresDir+j.restore+"/", func(i storage.Info) error {
		if _, _, ok := repository.RestoreOf(i.Name); ok {
			paths = append(paths, i.Name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the journal of restore %s: %w", j.restore, err)
	}
	h := &History{Restore: j.restore}
	for i, path := range paths {
		data, err := storage.Get(ctx, j.store, path, maxRecord)
		if err != nil {
			return nil, fmt.Errorf("read the journal of restore %s: %w", j.restore, err)
		}
		var r repository.RestoreRecord
		if err := json.Unmarshal(data, &r); err != nil || !j.repo.IsRestoreRecord(&r, j.restore, int64(i+1)) {
			return nil, fault.New(fault.Corrupt, "read the journal of restore "+j.restore, "%s is not the record that it must be", path).
				Hint("what was restored so far stays as it is; begin a new restore, and name its targets with --overwrite")
		}
		h.Records = append(h.Records, r)
		j.number = r.Number
	}
	if len(h.Records) == 0 || h.Records[0].Step != repository.StepBegin {
		return nil, fault.New(fault.Corrupt, "read the journal of restore "+j.restore, "it has no beginning")
	}
	return h, nil
}
