package scratch

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	tclog "github.com/testcontainers/testcontainers-go/log"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// connectTimeout is how long an engine may take to answer at first.
const connectTimeout = 20 * time.Second

// engine is the Docker engine of this machine.
type engine struct {
	provider *testcontainers.DockerProvider
	api      client.APIClient
	log      *slog.Logger
}

// debugLog makes what the library says about its work debug messages.
type debugLog struct{ log *slog.Logger }

func (l debugLog) Printf(format string, args ...any) {
	l.log.Debug("testcontainers: " + strings.TrimSpace(fmt.Sprintf(format, args...)))
}

// prepareLibrary is called before the library is used at all: it reads its
// configuration once. Its own way to clean up is a container of an image that
// cannot be had everywhere; ours is Sweep.
var prepareLibrary = sync.OnceValue(func() error {
	tclog.SetDefault(debugLog{slog.Default()})
	return os.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
})

// connect finds the engine. It has to be on this machine: what it publishes on
// 127.0.0.1 is not to be reached from another.
func connect(ctx context.Context, log *slog.Logger) (*engine, error) {
	if err := prepareLibrary(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	provider, err := newProvider(ctx, log)
	if err == nil {
		_, err = provider.Client().Ping(ctx, client.PingOptions{})
	}
	if asked := os.Getenv("DOCKER_HOST"); err == nil && asked != "" && provider.Client().DaemonHost() != asked {
		// The library looks further, and takes what it finds.
		err = fmt.Errorf("the one of DOCKER_HOST does not answer, and %s is not taken for it", provider.Client().DaemonHost())
	}
	if err != nil {
		return nil, fault.New(fault.Failed, "reach the Docker engine", "%w", err).
			Hint("start it, or say with DOCKER_HOST where its socket is; or let the drill restore into servers that are there: verify.scratch: given")
	}
	if host := provider.Client().DaemonHost(); !strings.HasPrefix(host, "unix://") && !strings.HasPrefix(host, "npipe://") {
		return nil, fault.New(fault.Usage, "use the Docker engine", "it is on another machine, where nobody here reaches what it publishes on 127.0.0.1").On(host).
			Hint("take the engine of this machine, or servers that are there: verify.scratch: given")
	}
	return &engine{provider, provider.Client(), log}, nil
}

// newProvider makes the library look for the engine. It takes no context, and
// panics where it finds a socket and nobody behind it.
func newProvider(ctx context.Context, log *slog.Logger) (*testcontainers.DockerProvider, error) {
	type answer struct {
		provider *testcontainers.DockerProvider
		err      error
	}
	answers := make(chan answer, 1)
	go func() {
		var a answer
		defer func() {
			if p := recover(); p != nil {
				a.err = fmt.Errorf("%v", p)
			}
			answers <- a
		}()
		a.provider, a.err = testcontainers.NewDockerProvider(testcontainers.Generic2DockerOptions(testcontainers.WithLogger(debugLog{log}))...)
	}()
	select {
	case a := <-answers:
		return a.provider, a.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (e *engine) close() error { return e.provider.Close() }

// hasImage reports whether the engine has an image.
func (e *engine) hasImage(ctx context.Context, image string) (bool, error) {
	_, err := e.api.ImageInspect(ctx, image)
	if errdefs.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// needImage has the engine pull an image that it lacks.
func (e *engine) needImage(ctx context.Context, image string) error {
	present, err := e.hasImage(ctx, image)
	if err != nil || present {
		return err
	}
	e.log.Info("pull the image of a scratch server", "image", image)
	if err := e.pull(ctx, image); err != nil {
		return fault.New(fault.Failed, "pull image", "%w", err).On(image).
			Hint("see that its registry is reached from here, or load it by hand (`docker load`); verify.mysqlImage and verify.seaweedfsImage name others")
	}
	return nil
}

func (e *engine) pull(ctx context.Context, image string) error {
	var options client.ImagePullOptions
	// Whoever has not logged in to a registry pulls without credentials.
	if _, auth, err := testcontainers.DockerImageAuth(ctx, image); err == nil {
		if options.RegistryAuth, err = authconfig.Encode(auth); err != nil {
			return err
		}
	}
	pulled, err := e.api.ImagePull(ctx, image, options)
	if err != nil {
		return err
	}
	defer pulled.Close() //nolint:errcheck // it was read to its end, or there is another error
	return pulled.Wait(ctx)
}

// Engine is what doctor says about Docker.
type Engine struct {
	Version string
	Host    string
	Missing []string // images that it would have to pull
}

// Look examines the engine, and which of these images it has.
func Look(ctx context.Context, log *slog.Logger, images ...string) (Engine, error) {
	e, err := connect(ctx, log)
	if err != nil {
		return Engine{}, err
	}
	defer e.close() //nolint:errcheck // nothing was written
	version, err := e.api.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return Engine{}, fault.New(fault.Failed, "ask the Docker engine for its version", "%w", err)
	}
	found := Engine{Version: version.Version, Host: e.api.DaemonHost()}
	for _, image := range images {
		present, err := e.hasImage(ctx, image)
		if err != nil {
			return Engine{}, fault.New(fault.Failed, "ask the Docker engine for image "+image, "%w", err)
		}
		if !present {
			found.Missing = append(found.Missing, image)
		}
	}
	return found, nil
}
