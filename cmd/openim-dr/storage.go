package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/storage/dir"
	"github.com/openim-dr/openim-dr/internal/storage/gcs"
)

// absence says what to do about a directory that is not there.
type absence bool

const (
	mustExist  absence = false
	makeAbsent absence = true // for init alone
)

// openPatience is how long a storage may take to answer before somebody is told: all
// attempts together may take half a minute.
const openPatience = 5 * time.Second

// openStorage chooses the driver for a URL. The caller calls end.
func (a *app) openStorage(ctx context.Context, url string, absent absence) (s storage.Storage, end func(), err error) {
	return a.openStorageFor(ctx, url, absent, storage.Policy{})
}

// openStorageFor does so with a patience of one's own.
func (a *app) openStorageFor(ctx context.Context, url string, absent absence, policy storage.Policy) (s storage.Storage, end func(), err error) {
	waiting := time.AfterFunc(openPatience, func() { a.log.Warn("storage does not answer, and is tried further", "storage", url) })
	driver, closer, err := openDriver(ctx, url, absent)
	waiting.Stop()
	if err != nil {
		return nil, nil, explainStorage(url, err)
	}
	policy.Notify = func(err error, wait time.Duration) {
		a.log.Warn("storage call is repeated", "storage", url, "after", wait.String(), "error", err.Error())
	}
	end = func() {
		if err := closer.Close(); err != nil {
			a.log.Warn("close storage", "storage", url, "error", err.Error())
		}
	}
	return storage.Retry(a.wrap(driver), policy), end, nil
}

type closer interface{ Close() error }

func openDriver(ctx context.Context, url string, absent absence) (storage.Storage, closer, error) {
	at, err := storage.ParseLocation(url)
	if err != nil {
		return nil, nil, err
	}
	switch at.Scheme {
	case storage.GCS:
		s, err := gcs.Open(ctx, at.Bucket, at.Prefix, gcs.Options{})
		if err != nil {
			return nil, nil, err
		}
		return s, s, nil
	case storage.S3:
		return openS3(ctx, at, absent)
	default:
		return openDirectory(at.Path, absent)
	}
}

// manifestCache is where manifests of a storage far away are kept, or nothing: what is
// on this machine is read as fast as a cache.
func manifestCache(url string) string {
	scheme, _, hasScheme := strings.Cut(url, "://")
	dir, err := os.UserCacheDir()
	if err != nil || !hasScheme || scheme == "file" {
		return ""
	}
	return filepath.Join(dir, "openim-dr")
}

func openDirectory(path string, absent absence) (storage.Storage, closer, error) {
	open := dir.Open
	if absent == makeAbsent {
		open = dir.Create
	}
	s, err := open(path)
	if err != nil {
		return nil, nil, err
	}
	return s, s, nil
}

// explainStorage names the storage where the driver has not.
func explainStorage(url string, err error) error {
	if _, explained := fault.Outermost(err); explained {
		return err
	}
	kind := fault.Failed
	if errors.Is(err, storage.ErrDenied) || errors.Is(err, storage.ErrNotExist) {
		kind = fault.Usage
	}
	return fault.New(kind, "open storage", "%w", err).On(url)
}
