package scratch

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/moby/moby/client"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// Options are what a drill's servers may use.
type Options struct {
	// Drill is the drill's id: letters, digits, dots and hyphens.
	Drill string
	// Deadline is when the drill has ended at the latest. Whoever sweeps on
	// another machine takes its servers for left behind some time after.
	Deadline       time.Time
	MySQLImage     string
	SeaweedFSImage string
	Memory         int64 // most of each server; default DefaultMemory
	Disk           int64 // most of each server; zero: what is free above Reserve
	Reserve        int64 // how much of each disk stays free; default DefaultReserve
	// DataDirectory is a directory of the engine's host in which servers keep
	// their data; without it volumes of the engine.
	DataDirectory string
	Log           *slog.Logger
}

// Docker starts scratch servers of one drill. It is safe for concurrent use.
type Docker struct {
	options  Options
	engine   *engine
	labels   map[string]string
	interval time.Duration // between two looks of Watch

	mu       sync.Mutex
	network  string
	named    int // how many containers have a name
	servers  []*container
	releases []func() // of secrets
}

// The ways of Docker's networks and the time that its parts may take.
const (
	watchInterval = 5 * time.Second
	closeTimeout  = 3 * time.Minute
	// startTimeout is generous: the official image initialises a server first.
	startTimeout = 5 * time.Minute
)

// New reaches the engine. It starts nothing yet.
func New(ctx context.Context, options Options) (*Docker, error) {
	options.Memory = cmp.Or(options.Memory, DefaultMemory)
	options.Reserve = cmp.Or(options.Reserve, DefaultReserve)
	options.Log = cmp.Or(options.Log, slog.Default())
	e, err := connect(ctx, options.Log)
	if err != nil {
		return nil, err
	}
	return &Docker{options: options, engine: e, labels: labelsOf(options.Drill, self(), options.Deadline), interval: watchInterval}, nil
}

// Close removes all that was started, with its volumes and networks. It does so
// even where ctx has ended, within a time of its own.
func (d *Docker) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	_, err := d.engine.remove(ctx, d.options.Drill)
	for _, release := range d.takeReleases() {
		release()
	}
	if err = errors.Join(err, d.engine.close()); err != nil {
		return fault.New(fault.Failed, "remove the scratch servers", "%w", err).
			Hint("`docker ps --all --filter label=%s=%s` lists them; the next drill tries again", labelDrill, d.options.Drill)
	}
	return nil
}

func (d *Docker) takeReleases() []func() {
	d.mu.Lock()
	defer d.mu.Unlock()
	releases := d.releases
	d.releases, d.servers = nil, nil
	return releases
}

// needNetwork returns the network of the drill. Containers of others are not in
// it, and its own do not see each other.
func (d *Docker) needNetwork(ctx context.Context) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.network != "" {
		return d.network, nil
	}
	name := namePrefix + d.options.Drill
	_, err := d.engine.api.NetworkCreate(ctx, name, client.NetworkCreateOptions{
		Driver: "bridge", Labels: d.labels, Options: map[string]string{"com.docker.network.bridge.enable_icc": "false"},
	})
	if err != nil {
		return "", fault.New(fault.Failed, "make a network for scratch servers", "%w", err)
	}
	d.network = name
	return name, nil
}
