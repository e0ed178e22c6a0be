package starter

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// CacheVariable names the environment variable that moves the cache.
const CacheVariable = "OPENIM_DR_TESTBED_CACHE"

// artifactLife is how long an artifact is kept that no testbed asked for.
const artifactLife = 14 * 24 * time.Hour

// cache holds artifacts, build logs and remembered refusals for all checkouts of
// one user.
type cache struct {
	dir string
	// building lets one artifact at a time be compiled: each compilation
	// keeps every core busy by itself.
	building sync.Mutex
}

func openCache() (*cache, error) {
	dir := os.Getenv(CacheVariable)
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return nil, err
		}
		dir = filepath.Join(base, "openim-dr", "testbed")
	}
	return &cache{dir: dir}, os.MkdirAll(dir, 0o755)
}

// log returns the path of a build log.
func (c *cache) log(name string) string {
	return filepath.Join(c.dir, "logs", name+".log")
}

// artifact returns the path of an artifact. Where it is missing, build makes it
// under another name first, so that a killed build leaves nothing that looks
// finished; a file lock keeps other checkouts from building the same.
func (c *cache) artifact(ctx context.Context, name, recipe string, build func(ctx context.Context, path string) error) (string, error) {
	path := filepath.Join(c.dir, "artifacts", name+"-"+recipe)
	if found(path) {
		return path, nil
	}
	unlock, err := lockFile(ctx, filepath.Join(c.dir, "locks", name))
	if err != nil {
		return "", err
	}
	defer unlock()
	if found(path) {
		return path, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	unfinished := path + ".unfinished"
	if err := os.RemoveAll(unfinished); err != nil {
		return "", err
	}
	if err := build(ctx, unfinished); err != nil {
		return "", err
	}
	c.discardOld(name)
	return path, os.Rename(unfinished, path)
}

// found says whether an artifact is there, and marks it as used.
func found(path string) bool {
	now := time.Now()
	return os.Chtimes(path, now, now) == nil
}

// discardOld removes artifacts of a name that nobody used for long. What cannot
// be removed only takes space.
func (c *cache) discardOld(name string) {
	paths, err := filepath.Glob(filepath.Join(c.dir, "artifacts", name+"-*"))
	if err != nil {
		return
	}
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > artifactLife {
			os.RemoveAll(path)
		}
	}
}

// refusal remembers that something was refused, such as an image by a registry,
// so that not every start waits for the same refusal.
func (c *cache) refusal(what string) string {
	return filepath.Join(c.dir, "refused", strings.NewReplacer("/", "_", ":", "_").Replace(what))
}

func (c *cache) refusedLately(what string) bool {
	info, err := os.Stat(c.refusal(what))
	return err == nil && time.Since(info.ModTime()) < 24*time.Hour
}

func (c *cache) rememberRefusal(what, why string) error {
	path := c.refusal(what)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(why+"\n"), 0o644)
}

// recipe hashes what decides an artifact.
func recipe(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:6])
}

// recipeFiles reads the files of a recipe that lie in one directory.
func recipeFiles(dir string, patterns ...string) ([]string, error) {
	var parts []string
	for _, pattern := range patterns {
		paths, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			parts = append(parts, filepath.Base(path), string(data))
		}
	}
	return parts, nil
}

// lockFile takes an exclusive lock that ends with the process, however that ends.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	locked := func() (bool, error) {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return false, nil
		}
		return err == nil, err
	}
	if err := poll(ctx, 200*time.Millisecond, locked); err != nil {
		file.Close()
		return nil, fmt.Errorf("wait for lock %s: %w", path, err)
	}
	return func() { file.Close() }, nil
}

// poll asks again at every interval until the answer is yes or an error, or the
// context ends.
func poll(ctx context.Context, interval time.Duration, ask func() (bool, error)) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		if yes, err := ask(); yes || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
