package scratch

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	containertypes "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	tcexec "github.com/testcontainers/testcontainers-go/exec"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// blueprint is what a server's container is made of.
type blueprint struct {
	source  string
	image   string
	command []string
	env     map[string]string
	files   map[string]string // content by path; of root alone
	port    int
	data    string   // the directory of its data
	other   []string // further directories that it fills
}

// container is one that was started.
type container struct {
	blueprint
	testcontainers.Container
	network string
	begun   time.Time
}

// start makes a server's container and starts it. It does not wait for what runs
// in it. Whatever comes of it is removed by Close.
func (d *Docker) start(ctx context.Context, b blueprint) (*container, error) {
	if err := d.engine.needImage(ctx, b.image); err != nil {
		return nil, err
	}
	attached, err := d.needNetwork(ctx)
	if err != nil {
		return nil, err
	}
	c := &container{blueprint: b, network: attached, begun: time.Now()}
	request, err := d.request(ctx, b, attached)
	if err == nil {
		c.Container, err = d.engine.provider.CreateContainer(ctx, request)
	}
	if err == nil {
		err = c.Start(ctx)
	}
	if err != nil {
		return nil, fault.New(fault.Failed, "start a scratch server", "%w", err).On(b.image).
			Hint("see that verify.memory and verify.dataDirectory are what this machine has")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.servers = append(d.servers, c)
	return c, nil
}

func (d *Docker) request(ctx context.Context, b blueprint, attached string) (testcontainers.ContainerRequest, error) {
	port, err := network.ParsePort(strconv.Itoa(b.port) + "/tcp")
	if err != nil {
		return testcontainers.ContainerRequest{}, err
	}
	name := d.nextName()
	labels := d.labelsWith(labelSource, b.source)
	data, err := d.placeOfData(ctx, b, name, labels)
	if err != nil {
		return testcontainers.ContainerRequest{}, err
	}
	request := testcontainers.ContainerRequest{
		Image: b.image, Name: name, Cmd: b.command, Env: b.env, Labels: labels,
		Networks: []string{attached}, ExposedPorts: []string{port.String()},
		HostConfigModifier: func(host *containertypes.HostConfig) {
			host.Memory, host.MemorySwap = d.options.Memory, d.options.Memory // no swap beside it
			host.PortBindings = network.PortMap{port: {{HostIP: netip.MustParseAddr("127.0.0.1")}}}
			host.LogConfig = containertypes.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "10m"}}
			host.Mounts = append(host.Mounts, data)
		},
	}
	for file, content := range b.files {
		request.Files = append(request.Files, testcontainers.ContainerFile{Reader: strings.NewReader(content), ContainerFilePath: file, FileMode: 0o400})
	}
	return request, nil
}

// placeOfData gives a server a volume of its own, or a new directory below
// DataDirectory, which has to be there: an engine makes whatever is missing, on
// the disk that the missing one was to spare.
func (d *Docker) placeOfData(ctx context.Context, b blueprint, name string, labels map[string]string) (mount.Mount, error) {
	directory := d.options.DataDirectory
	if directory == "" {
		return mount.Mount{Type: mount.TypeVolume, Source: name, Target: b.data, VolumeOptions: &mount.VolumeOptions{Labels: labels}}, nil
	}
	_, err := d.engine.helper(ctx, b.image, "", d.labels, mount.Mount{Type: mount.TypeBind, Source: directory}, "mkdir", "/scratch/"+name)
	return mount.Mount{Type: mount.TypeBind, Source: path.Join(directory, name), Target: b.data}, err
}

func (d *Docker) nextName() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.named++
	return namePrefix + d.options.Drill + "-" + strconv.Itoa(d.named)
}

func (d *Docker) labelsWith(name, value string) map[string]string {
	labels := map[string]string{name: value}
	for k, v := range d.labels {
		labels[k] = v
	}
	if d.options.DataDirectory != "" {
		labels[labelDirectory] = d.options.DataDirectory
	}
	return labels
}

// addresses returns where a server may be reached: directly in its network, as
// on Linux, where that is quicker, or through the engine's proxy.
func (c *container) addresses(ctx context.Context) ([]string, error) {
	inspected, err := c.Inspect(ctx)
	if err != nil {
		return nil, fault.New(fault.Failed, "look at a scratch server", "%w", err).On(c.image)
	}
	var found []string
	if own, ok := inspected.NetworkSettings.Networks[c.network]; ok && own.IPAddress.IsValid() {
		found = append(found, net.JoinHostPort(own.IPAddress.String(), strconv.Itoa(c.port)))
	}
	for port, bindings := range inspected.NetworkSettings.Ports {
		if int(port.Num()) == c.port && len(bindings) > 0 {
			found = append(found, net.JoinHostPort("127.0.0.1", bindings[0].HostPort))
		}
	}
	return found, nil
}

// await calls ready with each of the server's addresses until it answers at one,
// which is returned.
func (c *container) await(ctx context.Context, ready func(ctx context.Context, address string) error) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	addresses, err := c.addresses(ctx)
	if err != nil {
		return "", err
	}
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	var last error
	for try := 1; ; try++ {
		for _, address := range addresses {
			if last = c.attempt(ctx, address, ready); last == nil {
				return address, nil
			}
		}
		select {
		case <-ctx.Done():
			return "", fault.New(fault.Failed, "wait for a scratch server", "%w: %w", context.Cause(ctx), last).On(c.image).
				Hint("where openim-dr itself runs in a container, give that the host's network, or take servers that are there: verify.scratch: given")
		case <-ticker.C:
		}
		if try%10 == 0 {
			if err := c.alive(ctx); err != nil {
				return "", c.explainStart(ctx, err)
			}
		}
	}
}

func (c *container) attempt(ctx context.Context, address string, ready func(ctx context.Context, address string) error) error {
	const patience = 3 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return ready(ctx, address)
}

// explainStart adds the last words of a server that has ended before anything
// was restored into it; later they might hold what was.
func (c *container) explainStart(ctx context.Context, err error) error {
	logs, logsErr := c.output(ctx)
	if logsErr != nil || logs == "" {
		return err
	}
	lines := strings.Split(strings.TrimSpace(logs), "\n")
	complaints := slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return !complaint.MatchString(line) })
	if len(complaints) > 0 {
		lines = complaints
	}
	return fmt.Errorf("%w; its last words: %s", err, strings.Join(lines[max(0, len(lines)-3):], " | "))
}

var complaint = regexp.MustCompile(`(?i)\b(error|fatal|panic)\b|^F\d{4} `)

func (c *container) output(ctx context.Context) (string, error) {
	reader, err := c.Logs(ctx)
	if err != nil {
		return "", err
	}
	defer reader.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(io.LimitReader(reader, 1<<20))
	return string(text), err
}

// alive fails where the server does not run any more.
func (c *container) alive(ctx context.Context) error {
	inspected, err := c.Inspect(ctx)
	doing := "run a scratch server of source " + c.source
	switch {
	case errdefs.IsNotFound(err):
		return fault.New(fault.Failed, doing, "somebody has removed its container").On(c.image)
	case err != nil:
		return &engineError{err}
	case inspected.State.Running:
		return nil
	case inspected.State.OOMKilled:
		return fault.New(fault.Failed, doing, "it was killed, since it took more memory than it may").On(c.image).
			Hint("raise verify.memory")
	default:
		return fault.New(fault.Failed, doing, "it has ended with exit code %d", inspected.State.ExitCode).On(c.image).
			Hint("see whether somebody has stopped it, and whether this machine has enough memory for verify.memory")
	}
}

// exec runs a command in the container as its root and returns what it printed
// on standard output.
func (c *container) exec(ctx context.Context, command ...string) (string, error) {
	code, output, err := c.Exec(ctx, command, tcexec.WithUser("0"))
	if err != nil {
		return "", &engineError{err}
	}
	var stdout, stderr bytes.Buffer
	if _, err := stdcopy.StdCopy(&stdout, &stderr, output); err != nil {
		return "", &engineError{err}
	}
	if code != 0 && stdout.Len() == 0 {
		return "", fmt.Errorf("%s: exit code %d: %s", command[0], code, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// engineError is the engine's, and says nothing about a server.
type engineError struct{ error }

func (e *engineError) Unwrap() error { return e.error }

// helper runs a command of an image to its end, with one directory mounted at
// /scratch, and returns what it printed.
func (e *engine) helper(ctx context.Context, image, name string, labels map[string]string, scratch mount.Mount, command ...string) (string, error) {
	scratch.Target = "/scratch"
	made, err := e.provider.CreateContainer(ctx, testcontainers.ContainerRequest{
		Image: image, Name: name, Entrypoint: command[:1], Cmd: command[1:], Labels: labels,
		ConfigModifier: func(c *containertypes.Config) { c.User = "0" },
		HostConfigModifier: func(host *containertypes.HostConfig) {
			host.NetworkMode = "none"
			host.Mounts = append(host.Mounts, scratch)
		},
	})
	if err != nil {
		return "", err
	}
	defer e.discard(ctx, made.GetContainerID())
	if err := made.Start(ctx); err != nil {
		return "", err
	}
	ended := e.api.ContainerWait(ctx, made.GetContainerID(), client.ContainerWaitOptions{})
	select {
	case err := <-ended.Error:
		return "", err
	case result := <-ended.Result:
		output, err := (&container{Container: made}).output(ctx)
		if err == nil && result.StatusCode != 0 {
			err = fmt.Errorf("%s: exit code %d: %s", command[0], result.StatusCode, strings.TrimSpace(output))
		}
		return output, err
	}
}

// discard removes a container that is not needed any more; one that cannot be
// removed is left to Close and Sweep.
func (e *engine) discard(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if err := e.removeContainer(ctx, id); err != nil {
		e.log.Debug("remove a container", "container", id, "error", err)
	}
}
