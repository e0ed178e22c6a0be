package main

import (
	"context"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/seal"
)

// deployment is what a verb works on: the configuration where there is one,
// and what the common flags add to it or put in its place.
type deployment struct {
	config *config.Config // nil on a machine without a configuration
	url    string
	trust  seal.Trust
}

// deployment reads the configuration if there is one. Verbs that only read
// need --repository instead.
func (a *app) deployment() (*deployment, error) {
	d := new(deployment)
	path, configured := a.configPath()
	if configured {
		c, err := a.loadConfig(path)
		if err != nil {
			return nil, err
		}
		d.config, d.url = c, c.Repository.URL
	}
	if a.common.repository != "" {
		d.url = d.place(a.common.repository)
	}
	if d.url == "" {
		return nil, usage("find the repository", "neither a configuration nor --repository is given").
			Hint("give --config FILE, set OPENIM_DR_CONFIG, or give --repository URL and --trust KEY")
	}
	return d, d.readTrust(a.common.trust)
}

// loadConfig reads the configuration, unless whoever runs the verb has.
func (a *app) loadConfig(path string) (*config.Config, error) {
	if a.given != nil {
		return a.given, nil
	}
	return config.Load(path, settingsOfKinds())
}

// configured is deployment for verbs that cannot do without a configuration.
func (a *app) configured(doing string) (*deployment, error) {
	if _, ok := a.configPath(); !ok {
		return nil, usage(doing, "no configuration is given").
			Hint("give --config FILE or set OPENIM_DR_CONFIG; `openim-dr config example` prints a file to start from")
	}
	return a.deployment()
}

// readTrust joins the configured signers and those of --trust.
func (d *deployment) readTrust(flags []string) error {
	if d.config != nil {
		for _, s := range d.config.Repository.TrustedSigners {
			if err := d.addSigner(string(s.Key), s.Roles, s.NotBefore, s.NotAfter); err != nil {
				return err
			}
		}
	}
	for _, flag := range flags {
		key, list, restricted := strings.Cut(flag, "=")
		roles := seal.Roles
		if restricted {
			roles = nil
			for name := range strings.SplitSeq(list, ",") {
				roles = append(roles, seal.Role(name))
			}
		}
		if err := d.addSigner(key, roles, time.Time{}, time.Time{}); err != nil {
			return err
		}
	}
	return nil
}

func (d *deployment) addSigner(key string, roles []seal.Role, notBefore, notAfter time.Time) error {
	signer, err := seal.NewTrustedSigner(key, roles, notBefore, notAfter)
	if err != nil {
		return usage("read trusted signers", "%w", err).Hint("--trust KEY=writer,operator with a key of the recovery kit")
	}
	d.trust = append(d.trust, signer)
	return nil
}

// instance returns whose points are one's own, or nothing where nobody said.
func (d *deployment) instance() string {
	if d.config == nil {
		return ""
	}
	return d.config.Instance
}

// open opens the repository for reading.
func (d *deployment) open(ctx context.Context, a *app) (*repository.Repository, func(), error) {
	store, end, err := a.openStorage(ctx, d.url, mustExist)
	if err != nil {
		return nil, nil, err
	}
	repo, err := repository.Open(ctx, store, repository.Options{Trust: d.trust, Cache: manifestCache(d.url)})
	if err != nil {
		end()
		return nil, nil, err
	}
	return repo, end, nil
}

// findPoint returns the point that a command line names.
func findPoint(ctx context.Context, repo *repository.Repository, ref string) (*repository.Point, error) {
	listing, err := repo.List(ctx)
	if err != nil {
		return nil, err
	}
	return listing.Find(ref)
}

// limits returns what a run may use.
func (d *deployment) limits() config.Limits {
	if d.config == nil {
		return config.Limits{}
	}
	return d.config.Limits
}
