package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"sync"

	"github.com/spf13/cobra"

	"github.com/openim-dr/openim-dr/internal/repository"
)

// version is set by the linker.
var version = "dev"

// build is the running program.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Format   int    `json:"format"` // of repositories
	SHA256   string `json:"sha256"` // of the binary
}

func newVersion(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version and the SHA-256 of this binary",
		Long:  "Print the version and the SHA-256 of this binary.\n\n" + exitCodes,
		Example: `  openim-dr version
  openim-dr version -o json`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			b, err := thisBuild()
			if err != nil {
				return err
			}
			a.out.print(b, func(p *page) {
				p.line("openim-dr %s (%s, %s)", b.Version, b.Go, b.Platform)
				p.line("revision           %s", b.Revision)
				p.line("repository format  %d", b.Format)
				p.line("sha256             %s", b.SHA256)
			})
			return nil
		},
	}
}

// thisBuild reads the binary once: it does not change while it runs.
var thisBuild = sync.OnceValues(func() (build, error) {
	b := build{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Format: repository.Format}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				b.Revision = s.Value
			}
		}
	}
	path, err := os.Executable()
	if err != nil {
		return b, fmt.Errorf("find this binary: %w", err)
	}
	b.SHA256, err = fileSHA256(path)
	return b, err
})

func fileSHA256(path string) (sum string, err error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read this binary: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return "", fmt.Errorf("read this binary: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
