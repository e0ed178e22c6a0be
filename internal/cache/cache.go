package cache

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// scanCount is how many keys a server looks at for one answer. While it does it
// answers nobody else.
const scanCount = 1000

// Cache is one server, or one cluster of them. It is safe for concurrent use.
type Cache struct {
	settings Settings
	keys     Keys
	dial     time.Duration // how long a connection may take to be there
}

// New returns the cache. It talks to nobody yet.
func New(settings Settings, keys Keys) (*Cache, error) {
	if err := settings.Validate(); err != nil {
		return nil, err
	}
	if err := keys.validate(); err != nil {
		return nil, err
	}
	return &Cache{settings: settings, keys: keys, dial: dialTimeout}, nil
}

// Name returns the configured name.
func (c *Cache) Name() string { return c.settings.Name }

// Count says how many keys match one pattern in one database. A server that is
// rearranging its table may list a key twice while keys are only counted.
type Count struct {
	Database int    `json:"database"`
	Pattern  string `json:"pattern"`
	Keys     int64  `json:"keys"`
}

// Plan counts what Purge would delete, and deletes nothing.
func (c *Cache) Plan(ctx context.Context) ([]Count, error) {
	return c.each(ctx, func(_ context.Context, _ *connection, _ *database, keys []string) (int64, error) {
		return int64(len(keys)), nil
	})
}

// Purge deletes every key that matches, and returns how many were seen to go.
// After an error it returns what was deleted until then; it may be repeated.
func (c *Cache) Purge(ctx context.Context) ([]Count, error) {
	return c.each(ctx, purge)
}

// purge deletes keys that may be deleted.
func purge(ctx context.Context, c *connection, d *database, keys []string) (int64, error) {
	through := d.client.Pipeline()
	replies := make([]*redis.IntCmd, len(keys))
	for i, key := range keys {
		replies[i] = c.remove(ctx, through, key)
	}
	_, err := through.Exec(ctx)
	var gone int64
	for _, reply := range replies {
		if reply.Err() == nil {
			gone += reply.Val()
		}
	}
	return gone, err
}

// each calls do for the keys of each pattern in each database, some at a time,
// and adds up what it returns.
func (c *Cache) each(ctx context.Context, do func(context.Context, *connection, *database, []string) (int64, error)) ([]Count, error) {
	conn, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.close()
	var counts []Count
	for _, d := range conn.databases {
		for _, pattern := range c.keys.Delete {
			var total atomic.Int64
			started := time.Now()
			err := d.scan(ctx, pattern, func(ctx context.Context, listed []string) error {
				keys := c.allowed(pattern, listed)
				if len(keys) == 0 {
					return nil
				}
				n, err := do(ctx, conn, d, keys)
				total.Add(n)
				return err
			})
			counts = append(counts, Count{d.number, pattern, total.Load()})
			if err != nil {
				return counts, c.fail(fmt.Sprintf("go through the keys like %s in database %d of", pattern, d.number), started, err)
			}
		}
	}
	return counts, nil
}

func (c *Cache) allowed(pattern string, listed []string) []string {
	var keys []string
	for _, key := range listed {
		if c.keys.mayDelete(pattern, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// scan calls fn with the keys that match, some at a time, as the servers have
// them. All that are there from the beginning to the end are among them.
func (d *database) scan(ctx context.Context, pattern string, fn func(context.Context, []string) error) error {
	return d.masters(ctx, func(ctx context.Context, server redis.Cmdable) error {
		for cursor := uint64(0); ; {
			keys, next, err := server.Scan(ctx, cursor, pattern, scanCount).Result()
			if err == nil {
				err = fn(ctx, keys)
			}
			if err != nil || next == 0 {
				return err
			}
			cursor = next
		}
	})
}

// nobodys returns a key that matches a pattern and that nobody has.
func nobodys(pattern string) string {
	return strings.NewReplacer("*", "openim-dr-"+rand.Text(), "?", "-").Replace(pattern)
}
