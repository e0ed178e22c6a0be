package repository

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// Draft is a point being written. Nothing of it counts before Commit; what a
// draft that is given up has written is unreachable, and for a pruner to
// sweep. It is safe for concurrent use.
type Draft struct {
	ctx     context.Context // of the lease: it ends the keys' generation too
	writer  *Writer
	stream  string
	point   string
	started time.Time
	head    *streamHead
	bases   map[string]*Point

	continued *Progress // of the run that this one goes on from, or nil
	progress  progressBook

	pointKey seal.Identity
	stored   atomic.Int64

	mu      sync.Mutex
	open    map[string]bool // uploads that have neither been committed nor given up
	pack    *seal.Identity
	keys    map[string]bool // pack keys that the point needs
	wrapped wrapBook
	files   []File
	sources []*SourceDraft
	details *FileWriter
	encoder *json.Encoder
}

// Point returns the id that the point will have.
func (d *Draft) Point() string { return d.point }

// begin writes the run's start before anything else, and the point key.
func (d *Draft) begin(ctx context.Context) error {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	start := Start{
		Kind: kindStart, Format: Format, Point: d.point, Instance: d.writer.options.Instance, Stream: d.stream,
		Bases: []string{}, Time: d.started, Host: host, Tool: d.writer.options.Tool,
	}
	for _, b := range d.bases {
		start.Bases = append(start.Bases, b.Point)
	}
	slices.Sort(start.Bases)
	start.Bases = slices.Compact(start.Bases)
	if d.continued != nil {
		start.Continues = d.continued.Run
	}
	data, err := marshal(start)
	if err != nil {
		return err
	}
	info, err := storage.Put(ctx, d.writer.store, startPath(d.point), data)
	if err != nil {
		return fmt.Errorf("write %s: %w", startPath(d.point), err)
	}
	if skew := info.Created.Sub(d.started).Abs(); !info.Created.IsZero() && skew > maxSkew {
		return fault.New(fault.Refused, "begin", "the clock here says %s and the storage's says %s: the point would be quarantined",
			d.started.Format(time.RFC3339), info.Created.UTC().Format(time.RFC3339)).On(d.writer.URL()).Hint("set the clock of this machine")
	}
	d.pointKey, err = d.newKey(ctx)
	return err
}

// newKey makes a run key and wraps it for every recipient before anything is
// sealed to it, so that nothing is stored which nobody can open. Once the draft is
// in other hands, its mutex must be held.
func (d *Draft) newKey(ctx context.Context) (seal.Identity, error) {
	o := d.writer.options
	key, err := seal.GenerateIdentity(o.Recipients[0].PostQuantum())
	if err != nil {
		return seal.Identity{}, err
	}
	recipients := o.Recipients
	if o.Drill != nil {
		recipients = append(slices.Clone(recipients), *o.Drill)
	}
	for _, r := range recipients {
		wrapped, err := key.Wrap(r)
		if err != nil {
			return seal.Identity{}, fmt.Errorf("wrap key: %w", err)
		}
		if _, err := storage.Put(ctx, d.writer.store, wrapPath(key.Recipient().KeyID(), r.Fingerprint()), wrapped); err != nil {
			return seal.Identity{}, fmt.Errorf("write wrapped key: %w", err)
		}
		d.stored.Add(int64(len(wrapped)))
	}
	d.wrapped.add(key.Recipient().KeyID(), o)
	return key, nil
}

// packKey makes the run's pack key when the first pack or segment needs it.
func (d *Draft) packKey(ctx context.Context) (seal.Identity, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pack == nil {
		key, err := d.newKey(ctx)
		if err != nil {
			return seal.Identity{}, err
		}
		d.pack = &key
	}
	return *d.pack, nil
}

func (d *Draft) needKey(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.keys[id] = true
}

// opened and closed keep the books of uploads.
func (d *Draft) opened(path string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open[path] = true
}

func (d *Draft) closed(path string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.open, path)
}

func (d *Draft) addFile(f File) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files = append(d.files, f)
}

// detail appends a line to the point's sealed details.
func (d *Draft) detail(v any) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.details == nil {
		// Of the draft, not of whoever has the first line to write.
		file, err := d.startFile(d.ctx, pointDir(d.point)+detailsName+sealedSuffix, nil)
		if err != nil {
			return err
		}
		d.details, d.encoder = file, json.NewEncoder(file)
	}
	if err := d.encoder.Encode(v); err != nil {
		return fmt.Errorf("write details: %w", err)
	}
	return nil
}

// finished fails unless every source has ended and every upload that was begun
// was committed or given up. Invariant 1: a source that returned too early must
// not look like one that was captured.
func (d *Draft) finished() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.sources {
		if !s.hasEnded() {
			return fmt.Errorf("commit point %s: the capture of source %s has not ended", d.point, s.name)
		}
	}
	for path := range d.open {
		return fmt.Errorf("commit point %s: %s is still being written", d.point, path)
	}
	return nil
}

// Commit writes the manifest, and with it the point exists. Before that it
// makes sure that the lease is still held.
func (d *Draft) Commit(ctx context.Context) (*Manifest, error) {
	if err := d.finished(); err != nil {
		return nil, err
	}
	if d.details != nil {
		if err := d.details.Commit(); err != nil {
			return nil, err
		}
	}
	manifest := d.manifest()
	data, err := marshal(manifest)
	if err != nil {
		return nil, err
	}
	// Invariant 8: whoever lost the lease stops here at the latest; one that
	// is suspended after this line finds the fence in the manifest's place.
	if err := context.Cause(d.ctx); err != nil { //nolint:contextcheck // the question is whether the lease has ended
		return nil, fmt.Errorf("commit point %s: %w", d.point, err)
	}
	err = putSignedBytes(ctx, d.writer.store, manifest.Path, data, d.writer.options.Signer)
	if errors.Is(err, storage.ErrExist) {
		return nil, fault.New(fault.Busy, "commit point "+d.point, "another process has fenced this run off: %w", err).
			Hint("nothing is lost: take the point again")
	}
	if err != nil {
		return nil, fmt.Errorf("commit point %s: %w", d.point, err)
	}
	return manifest, nil
}

func (d *Draft) manifest() *Manifest {
	d.mu.Lock()
	defer d.mu.Unlock()
	m := &Manifest{
		Header:   Header{kindManifest, Format, d.writer.record.Repository, manifestPath(d.point)},
		Requires: []string{}, Point: d.point, Instance: d.writer.options.Instance, Tool: d.writer.options.Tool,
		Stream: d.stream, Seq: 1, Started: d.started, Ended: d.writer.now().UTC(), Complete: true,
		Sources: []Source{}, Files: d.files, Stored: d.stored.Load(),
		Keys: Keys{Point: d.pointKey.Recipient().KeyID(), Packs: slices.Sorted(maps.Keys(d.keys))},
	}
	if m.Keys.Packs == nil {
		m.Keys.Packs = []string{}
	}
	m.Keys.Wrapped = d.wrapped.of(m.runKeys()...)
	if m.Files == nil {
		m.Files = []File{}
	}
	slices.SortFunc(m.Files, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	if d.head != nil {
		m.Seq, m.Previous = d.head.seq+1, &d.head.link
	}
	for _, s := range d.sources {
		source, missing := s.record()
		m.Sources = append(m.Sources, source)
		m.Missing = append(m.Missing, missing...)
		m.Complete = m.Complete && source.Complete
	}
	return m
}

// Abandon gives the draft up. It does nothing after Commit.
func (d *Draft) Abandon() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.details != nil {
		d.details.Abort()
	}
}
