package repository

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/progress"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// CopyOptions say what is copied, and how.
type CopyOptions struct {
	Options
	// Signer holds the role operator or pruner: it signs the entry of the log, and,
	// as an operator, the record of a copy that is not there yet.
	Signer seal.Signer
	By     string
	Tool   string
	// Points are copied; empty: every one that counts and was neither forgotten nor
	// swept in the copy.
	Points []string
	// Bandwidth is how many bytes per second are read; 0: no limit.
	Bandwidth int64
	Workers   int // 0: 4
	Show      progress.Reporter
}

// CopyResult is what a copy did.
type CopyResult struct {
	Copied  []string // points that are there now, and were not before
	Present []string // points that were
	Left    []string // points that were swept while they were being copied
	Files   int64
	Bytes   int64
}

// CopyTo brings points into a copy of the repository: the sealed files as they are,
// each held against its checksum on the way, so that no key is needed. A point's
// manifest goes last: a point is there whole, or not at all. What is there already is
// not sent again, so that whatever was cut off is gone on with.
//
// Where to is empty it becomes a copy. Decisions (holds, forgotten points) and proofs
// stay where they were made: the copy has its own. What it lacks of a chain is
// explained by a signed entry of its log.
func CopyTo(ctx context.Context, from storage.Reader, to storage.ReadWriter, o CopyOptions) (*CopyResult, error) {
	c := &copying{from: from, to: to, options: o, sent: map[string]bool{}}
	if c.options.Workers <= 0 {
		c.options.Workers = 4
	}
	if o.Bandwidth > 0 {
		c.limit = rate.NewLimiter(rate.Limit(o.Bandwidth), copyPiece)
	}
	err := c.run(ctx)
	return &c.result, err
}

// copying is one run of CopyTo.
type copying struct {
	from    storage.Reader
	to      storage.ReadWriter
	options CopyOptions
	limit   *rate.Limiter

	home, copy *Repository
	points     *Listing   // at home
	there      *inventory // of the copy, as it was before
	result     CopyResult

	mu   sync.Mutex
	sent map[string]bool // files that were not there before
}

func (c *copying) run(ctx context.Context) (err error) {
	if c.home, err = Open(ctx, c.from, c.options.Options); err != nil {
		return err
	}
	if err := c.home.MayDecide(c.options.Signer, c.options.clock()()); err != nil {
		return err
	}
	if err := c.prepare(ctx); err != nil {
		return err
	}
	if c.points, err = c.home.List(ctx); err != nil {
		return err
	}
	chosen, err := c.choose(ctx)
	if err != nil {
		return err
	}
	var damaged error
	for _, p := range chosen {
		err := c.point(ctx, p)
		switch {
		case errors.Is(err, errSweptMeanwhile):
			c.result.Left = append(c.result.Left, p.Point)
		case fault.KindOf(err) == fault.Corrupt && err != nil:
			damaged = errors.Join(damaged, err) // the others are copied all the same
		case err != nil:
			return err
		}
	}
	return errors.Join(c.explain(ctx), damaged)
}

// choose returns the points that are to be copied, the oldest first.
func (c *copying) choose(ctx context.Context) ([]*Point, error) {
	var chosen []*Point
	if len(c.options.Points) > 0 {
		for _, ref := range c.options.Points {
			p, err := c.points.Find(ref)
			if err != nil {
				return nil, err
			}
			if p.Untrusted != nil || p.Sweeping() || p.Shredded != nil {
				return nil, fault.New(fault.Refused, "copy point "+p.Point, "it %s", p.whyNot()).On(c.from.URL())
			}
			chosen = append(chosen, p)
		}
		slices.SortStableFunc(chosen, older)
		return slices.Compact(chosen), nil
	}
	decided, err := c.to.Dirs(ctx, stateDir, storage.Span{})
	if err != nil {
		return nil, fmt.Errorf("list states of the copy: %w", err)
	}
	for _, p := range c.points.Points {
		if !p.Eligible() {
			continue
		}
		if slices.Contains(decided, p.Point) && !c.there.has(manifestPath(p.Point)) {
			continue // the copy has let it go
		}
		chosen = append(chosen, p)
	}
	return chosen, nil
}

// errSweptMeanwhile: the point is gone at home.
var errSweptMeanwhile = errors.New("the point was swept while it was copied")

// point copies what a point needs, and then the point.
func (c *copying) point(ctx context.Context, p *Point) error {
	files, err := c.filesOf(ctx, p)
	if err == nil {
		err = c.files(ctx, p, files)
	}
	if err == nil {
		err = c.commit(ctx, p)
	}
	if err == nil {
		return nil
	}
	if fault.KindOf(err) == fault.Corrupt || errors.Is(err, storage.ErrNotExist) {
		_, gone := c.from.Stat(ctx, manifestPath(p.Point))
		if errors.Is(gone, storage.ErrNotExist) {
			return errSweptMeanwhile
		}
	}
	return err
}

// filesOf lists the files of a point in the order in which they are sent: what others
// share comes before what names it. A list that is not as it was written leads
// nobody knows where.
func (c *copying) filesOf(ctx context.Context, p *Point) ([]File, error) {
	shared := map[string]File{}
	for _, f := range p.Files {
		if !isBucketList(f) {
			continue
		}
		if err := c.home.sharedStrictly(ctx, f, shared); err != nil {
			return nil, err
		}
	}
	var packs, index []File
	for path, f := range shared {
		if strings.HasPrefix(path, packsDir) {
			packs = append(packs, f)
		} else {
			index = append(index, f)
		}
	}
	return slices.Concat(packs, index, p.Files), nil
}

// files copies wraps and files, several at once.
func (c *copying) files(ctx context.Context, p *Point, files []File) error {
	for _, key := range p.runKeys() {
		if err := c.wraps(ctx, key); err != nil {
			return err
		}
	}
	task := c.options.Show.Task("copy "+p.Point, progress.Objects, int64(len(files)))
	defer task.Done()
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(c.options.Workers)
	sums := make([]transferred, len(files))
	for i, f := range files {
		if within.Err() != nil {
			break
		}
		group.Go(func() (err error) {
			sums[i], err = c.file(within, p, f)
			task.Add(1)
			return err
		})
	}
	err := group.Wait()
	for _, s := range sums {
		c.result.Files, c.result.Bytes = c.result.Files+s.files, c.result.Bytes+s.bytes
	}
	return errors.Join(err, context.Cause(ctx))
}

// commit copies the signature and the manifest, to the byte.
func (c *copying) commit(ctx context.Context, p *Point) error {
	manifest, signature := ManifestFiles(p.Point)
	if c.there.has(manifest) {
		c.result.Present = append(c.result.Present, p.Point)
		return nil
	}
	signed, err := storage.Get(ctx, c.from, signature, 64<<10)
	if err != nil {
		return fmt.Errorf("read %s: %w", signature, err)
	}
	data, err := storage.Get(ctx, c.from, manifest, maxPlain)
	if err != nil {
		return fmt.Errorf("read %s: %w", manifest, err)
	}
	if seal.SumOf(data).SHA256 != p.SHA256 {
		return fault.New(fault.Corrupt, "copy point "+p.Point, "its manifest is not the one that was listed").On(c.from.URL())
	}
	for _, f := range []struct {
		path string
		data []byte
	}{{signature, signed}, {manifest, data}} {
		if _, err := storage.Put(ctx, c.to, f.path, f.data); err != nil {
			return fmt.Errorf("write %s: %w", f.path, err)
		}
		c.result.Files, c.result.Bytes = c.result.Files+1, c.result.Bytes+int64(len(f.data))
	}
	c.result.Copied = append(c.result.Copied, p.Point)
	return nil
}

// prepare opens the copy, or makes it, and brings it every wrap of the digest key.
func (c *copying) prepare(ctx context.Context) error {
	var err error
	if c.there, err = takeInventory(ctx, c.to, func(int64) {}); err != nil {
		return err
	}
	record, _, err := readRecord(ctx, c.to, c.options.Trust)
	home := c.home.record.Repository
	switch {
	case errors.Is(err, ErrNone):
		if err := c.requireNothing(); err != nil {
			return err
		}
	case err != nil:
		return err
	case record.Repository == home:
		return fault.New(fault.Usage, "copy", "it is the same repository").On(c.to.URL()).Hint("name another place with --to")
	case !slices.Contains(record.Homes, home):
		return fault.New(fault.Refused, "copy", "it is repository %s, and no copy of %s", record.Repository, home).On(c.to.URL()).
			Hint("name an empty place with --to: it becomes a copy")
	}
	if err := c.digestKeys(ctx); err != nil {
		return err
	}
	if record == nil {
		if err := c.found(ctx); err != nil {
			return err
		}
	}
	c.copy, err = Open(ctx, c.to, c.options.Options)
	return err
}

// found writes the record of a new copy.
func (c *copying) found(ctx context.Context) error {
	now := c.options.clock()()
	if err := c.home.wouldCount(c.options.Signer, now, seal.RoleOperator); err != nil {
		return fault.New(fault.Usage, "copy", "there is nothing yet, and the record of a copy by %s would not count: %w", c.options.Signer, err).On(c.to.URL()).
			Hint("let an operator make the first copy: --signing-key FILE")
	}
	// A signature that a crash has left without its record takes its number.
	var skipped []int
	for c.there.has(recordPath(len(skipped)+1) + signatureSuffix) {
		skipped = append(skipped, len(skipped)+1)
	}
	record := &Record{
		Header:  Header{kindRepository, Format, randomName(26), recordPath(len(skipped) + 1)},
		Created: now.UTC().Truncate(time.Second), CopyOf: c.home.record.Repository,
		Instances: c.home.record.Instances, Requires: c.home.record.Requires, Skipped: skipped,
	}
	record.Homes = append([]string{record.Repository}, c.home.record.Homes...)
	return putSigned(ctx, c.to, record.Path, record, c.options.Signer)
}

// digestKeys copies the wraps of the digest key: what is digested in the points was
// digested with it.
func (c *copying) digestKeys(ctx context.Context) error {
	var paths []string
	err := c.from.List(ctx, repositoryDir, func(i storage.Info) error {
		if locate(i.Name).place == placeDigestKey {
			paths = append(paths, i.Name)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("list wraps of the digest key: %w", err)
	}
	for _, path := range paths {
		if err := c.wrap(ctx, path); err != nil {
			return err
		}
	}
	return nil
}

// requireNothing refuses a place that holds anything but what a first copy leaves
// that was cut off.
func (c *copying) requireNothing() error {
	return c.there.each(0, c.there.len(), func(_ int, path string) error {
		if at := locate(path); at.place == placeDigestKey || at.place == placeProbe || at.place == placeRecord && at.signature {
			return nil
		}
		return fault.New(fault.Refused, "copy", "it holds %q and is no repository", path).On(c.to.URL()).
			Hint("choose an empty prefix or directory")
	})
}
