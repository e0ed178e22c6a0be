package scratch

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	containertypes "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
)

// Run runs a command in a container of its own to its end: a check by somebody
// else's program. It reaches the scratch servers under the addresses that this
// machine has them at. What it prints goes to log. Its variables, passwords among
// them, are to be seen in `docker inspect` while it runs.
func (d *Docker) Run(ctx context.Context, image string, command, variables []string, log *slog.Logger) error {
	if err := d.engine.needImage(ctx, image); err != nil {
		return err
	}
	environment := map[string]string{}
	for _, v := range variables {
		name, value, _ := strings.Cut(v, "=")
		environment[name] = value
	}
	made, err := d.engine.provider.CreateContainer(ctx, testcontainers.ContainerRequest{
		Image: image, Name: d.nextName(), Entrypoint: command[:1], Cmd: command[1:], Labels: d.labels, Env: environment,
		HostConfigModifier: func(host *containertypes.HostConfig) {
			host.NetworkMode = "host"
			host.Memory = d.options.Memory
		},
	})
	if err != nil {
		return fmt.Errorf("make a container of %s: %w", image, err)
	}
	defer d.engine.discard(ctx, made.GetContainerID())
	if err := made.Start(ctx); err != nil {
		return fmt.Errorf("start it in %s: %w", image, err)
	}
	ended := d.engine.api.ContainerWait(ctx, made.GetContainerID(), client.ContainerWaitOptions{})
	select {
	case err := <-ended.Error:
		if ctx.Err() != nil {
			return fmt.Errorf("it was ended: %w", context.Cause(ctx))
		}
		return err
	case result := <-ended.Result:
		d.tell(ctx, made, log)
		if result.StatusCode != 0 {
			return fmt.Errorf("it ended with exit code %d", result.StatusCode)
		}
		return nil
	}
}

// tell logs what a container has printed.
func (d *Docker) tell(ctx context.Context, made testcontainers.Container, log *slog.Logger) {
	output, err := (&container{Container: made}).output(ctx)
	if err != nil {
		log.Warn("what it printed cannot be read", "error", err.Error())
		return
	}
	for line := range strings.Lines(output) {
		log.Info(strings.TrimRight(line, "\r\n"))
	}
}
