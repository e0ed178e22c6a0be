package repository

import (
	"context"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// contentReads reads whole files and holds them against their SHA-256, each
// once, however many points need it.
type contentReads struct {
	audit *Audit
	ctx   context.Context // of the step that reads
	group *errgroup.Group
	shown func(read int64)
	files atomic.Int64
	bytes atomic.Int64

	mu      sync.Mutex
	claimed map[claim]bool
	bad     map[int][]Finding // of files that are shared
}

// claim is a file and what it must be.
type claim struct {
	file   int
	sha256 string
}

// begin makes ready for reading. Whoever has begun waits for the group; the
// context ends when a read has failed.
func (c *contentReads) begin(ctx context.Context, a *Audit, shown func(read int64)) (*errgroup.Group, context.Context) {
	c.audit, c.shown, c.claimed, c.bad = a, shown, map[claim]bool{}, map[int][]Finding{}
	c.group, c.ctx = errgroup.WithContext(ctx)
	c.group.SetLimit(parallelReads)
	return c.group, c.ctx
}

// want reads a file if it is one of those that are to be read. It waits while
// too many are under way. What is found goes to tell.
func (c *contentReads) want(i int, f File, tell func(ctx context.Context, d Finding) error) {
	read := c.audit.options.Read
	if read == nil || i < 0 || !read(f.Path) || !c.claim(i, f) {
		return
	}
	c.group.Go(func() error {
		damage, err := c.read(c.ctx, f)
		if err != nil || damage == nil {
			return err
		}
		return tell(c.ctx, *damage)
	})
}

func (c *contentReads) claim(i int, f File) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := claim{i, f.SHA256[:min(len(f.SHA256), 16)]}
	if c.claimed[key] {
		return false
	}
	c.claimed[key] = true
	return true
}

// read reads a file; one that is not right once more, since it may have changed
// on its way.
func (c *contentReads) read(ctx context.Context, f File) (*Finding, error) {
	for again := false; ; again = true {
		status, err := c.audit.repo.verifyFile(ctx, f)
		if err != nil {
			return nil, err
		}
		if (status.Damage == Altered || status.Damage == Truncated) && !again {
			continue
		}
		c.count(status.Size)
		c.shown(status.Size)
		if status.Damage == Intact {
			return nil, nil // "nothing is wrong" is an answer
		}
		return &Finding{Kind: status.Damage, File: f.Path, Expected: "SHA-256 " + f.SHA256, Got: gotContent(status, f)}, nil
	}
}

func gotContent(s FileStatus, f File) string {
	switch {
	case s.Damage == Missing:
		return noSuchFile
	case s.Size != f.Size:
		return bytesText(s.Size)
	default:
		return "another content"
	}
}

func (c *contentReads) count(bytes int64) {
	c.files.Add(1)
	c.bytes.Add(max(bytes, 0))
}

// spoilt notes what is wrong with a file that points share.
func (c *contentReads) spoilt(i int, d Finding) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bad[i] = append(c.bad[i], d)
}

// ToRead returns how many bytes the audit has been told to read, as far as the
// listing tells.
func (a *Audit) ToRead() int64 {
	if a.options.Read == nil {
		return 0
	}
	var total int64
	_ = a.entries(func(i int, path string, at located) error { // fn fails never
		switch at.place {
		case placePointFile, placeSegment, placePack:
			if a.options.Read(path) {
				total += a.inv.sizes[i]
			}
		default:
		}
		return nil
	})
	return total
}
