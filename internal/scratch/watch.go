package scratch

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/mount"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/quantity"
)

// lookTimeout bounds one look at one server.
const lookTimeout = time.Minute

// enginePatience is how many looks in a row may fail because the engine, which
// somebody may be restarting, does not answer.
const enginePatience = 3

// Watch looks at all servers every few seconds until ctx ends, and returns nil
// then, or until one of them has ended or the disk is filled further than it
// may be, and returns why.
func (d *Docker) Watch(ctx context.Context) error {
	ticker := time.NewTicker(d.interval)
	defer ticker.Stop()
	for silent := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		err := d.Look(ctx)
		var engine *engineError
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &engine) && silent+1 < enginePatience:
			silent++
			d.options.Log.Warn("the Docker engine does not answer about the scratch servers; it is asked again", "error", engine.error)
		case err != nil:
			return err
		default:
			silent = 0
		}
	}
}

// Look looks once as Watch does. Who sees a restore fail asks it for a better
// reason: a server says that a table is full before anybody has looked at its disk.
func (d *Docker) Look(ctx context.Context) error {
	for _, c := range d.started() {
		if err := d.look(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

func (d *Docker) started() []*container {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]*container(nil), d.servers...)
}

func (d *Docker) look(ctx context.Context, c *container) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	if err := c.alive(ctx); err != nil {
		return d.unanswered(err)
	}
	disk, err := c.disk(ctx)
	if err != nil {
		// It may have ended meanwhile, or be about to.
		if ended := c.alive(ctx); ended != nil {
			return d.unanswered(ended)
		}
		return d.unanswered(&engineError{err})
	}
	doing := "watch the disk of the scratch server of source " + c.source
	if limit := d.options.Disk; limit > 0 && disk.used > limit {
		return fault.New(fault.Failed, doing, "it uses %s, and may use %s", quantity.Size(disk.used), quantity.Size(limit)).On(c.image).
			Hint("raise verify.disk")
	}
	if disk.free < d.options.Reserve {
		return fault.New(fault.Failed, doing, "the disk is full: %s are free, and %s have to stay free", quantity.Size(disk.free), quantity.Size(d.options.Reserve)).On(c.image).
			Hint("free some space where the Docker engine keeps its data (`docker info` says where), or name another place in verify.dataDirectory")
	}
	return nil
}

func (d *Docker) unanswered(err error) error {
	var engine *engineError
	if !errors.As(err, &engine) {
		return err
	}
	return fault.New(fault.Failed, "ask the Docker engine about the scratch servers", "%w", err).
		Hint("see that the engine runs: `docker info`")
}

// diskUse is what a server has written, and what is left for all.
type diskUse struct{ used, free int64 }

// disk measures from within: from there the disk is the right one wherever the
// engine keeps its data, and on another system's virtual machine, too.
func (c *container) disk(ctx context.Context) (diskUse, error) {
	script := append([]string{"sh", "-c", `df -Pk "$@"; du -sk "$@"`, "sh", c.data}, c.other...)
	output, err := c.exec(ctx, script...)
	if err != nil {
		return diskUse{}, err
	}
	use, ok := readDisk(output)
	if !ok {
		return diskUse{}, errors.New("its df and du say nothing that is understood")
	}
	return use, nil
}

// requireWatchable refuses an image whose disk could not be watched.
func (c *container) requireWatchable(ctx context.Context) error {
	_, err := c.disk(ctx)
	var engine *engineError
	if err == nil || errors.As(err, &engine) {
		return err
	}
	return fault.New(fault.Usage, "watch the disk of a scratch server", "%w", err).On(c.image).
		Hint("the image has to have sh, df and du, as the official ones do")
}

// readDisk reads what df -Pk and du -sk print of the same directories: the sum of
// what they hold, and the least that is free.
func readDisk(output string) (use diskUse, ok bool) {
	use.free = -1
	for line := range strings.Lines(output) {
		fields := strings.Fields(line)
		if free, found := freeOf(fields); found && (use.free < 0 || free < use.free) {
			use.free = free
		}
		if len(fields) != 2 { // 1234 /data
			continue
		}
		if used, err := kibibytes(fields[0]); err == nil {
			use.used += used
			ok = true
		}
	}
	return use, ok && use.free >= 0
}

// freeOf reads a line of df, such as "overlay 100 40 60 40% /data". Names may hold
// blanks.
func freeOf(fields []string) (free int64, found bool) {
	capacity := slices.IndexFunc(fields, func(f string) bool { return strings.HasSuffix(f, "%") })
	if capacity < 4 {
		return 0, false
	}
	free, err := kibibytes(fields[capacity-1])
	return max(0, free), err == nil // what root may still write is less than nothing
}

func kibibytes(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n << 10, err
}

// Space is what a drill may use.
type Space struct {
	Disk   int64 // bytes that are free where servers keep their data, above the reserve
	Memory int64 // bytes that are available on the engine's host
}

// Free measures what is free now, without any server: it runs df in a container
// that has a volume as a server would have it.
func (d *Docker) Free(ctx context.Context) (Space, error) {
	image := d.options.MySQLImage
	if image == "" {
		image = d.options.SeaweedFSImage
	}
	if err := d.engine.needImage(ctx, image); err != nil {
		return Space{}, err
	}
	scratch := mount.Mount{Type: mount.TypeVolume, VolumeOptions: &mount.VolumeOptions{Labels: d.labels}}
	if d.options.DataDirectory != "" {
		scratch = mount.Mount{Type: mount.TypeBind, Source: d.options.DataDirectory}
	}
	output, err := d.engine.helper(ctx, image, d.nextName(), d.labels, scratch, "sh", "-c", "df -Pk /scratch; echo 0 /scratch; cat /proc/meminfo")
	if err != nil {
		return Space{}, fault.New(fault.Failed, "measure what is free for scratch servers", "%w", err).On(image).
			Hint("see that verify.dataDirectory is a directory of the engine's host, and that the image has sh and df")
	}
	disk, ok := readDisk(output)
	memory, err := availableMemory(output)
	if !ok || err != nil {
		return Space{}, fault.New(fault.Usage, "measure what is free for scratch servers", "its df and /proc/meminfo say nothing that is understood").On(image)
	}
	return Space{Disk: max(0, disk.free-d.options.Reserve), Memory: memory}, nil
}

func availableMemory(meminfo string) (int64, error) {
	for line := range strings.Lines(meminfo) {
		if value, found := strings.CutPrefix(line, "MemAvailable:"); found {
			return kibibytes(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
		}
	}
	return 0, errors.New("no MemAvailable in /proc/meminfo")
}
