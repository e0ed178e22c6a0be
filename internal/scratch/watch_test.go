package scratch

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	containertypes "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// watch calls Watch as a drill does, and returns what it ended with.
func watch(t *testing.T, d *Docker) <-chan error {
	t.Helper()
	d.interval = 200 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	ended := make(chan error, 1)
	go func() {
		defer cancel()
		ended <- d.Watch(ctx)
	}()
	return ended
}

func TestWatchSeesAServerThatDies(t *testing.T) {
	t.Parallel()
	d := newDrill(t, nil)
	if _, err := d.MySQL(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	ended := watch(t, d)
	if _, err := d.engine.api.ContainerKill(t.Context(), d.started()[0].GetContainerID(), client.ContainerKillOptions{}); err != nil {
		t.Fatal(err)
	}
	requireFault(t, <-ended, fault.Failed, "run a scratch server of source main", "somebody has stopped it")
	if err := d.engine.removeContainer(t.Context(), d.started()[0].GetContainerID()); err != nil {
		t.Fatal(err)
	}
	requireFault(t, d.Look(t.Context()), fault.Failed, "somebody has removed its container", "")
}

func TestWatchSeesThatTheLimitIsPassed(t *testing.T) {
	t.Parallel()
	d := newDrill(t, func(o *Options) { o.Disk = 1 << 20 })
	if _, err := d.MySQL(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	requireFault(t, <-watch(t, d), fault.Failed, "and may use 1MiB", "raise verify.disk")
}

func TestWatchEndsWithTheDrill(t *testing.T) {
	t.Parallel()
	d := newDrill(t, nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the drill is done"))
	if err := d.Watch(ctx); err != nil {
		t.Errorf("got %v", err)
	}
}

// TestFullDisk restores into a server whose disk is small, until it is full.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	d := newDrill(t, func(o *Options) {
		o.Memory, o.Reserve = 2<<30, 64<<20 // the disk is memory, too
	})
	d.options.DataDirectory = smallDisk(t, d)
	free, err := d.Free(t.Context())
	if err != nil || free.Disk < 500<<20 || free.Disk > 640<<20 {
		t.Fatalf("free: %+v, %v", free, err)
	}
	server, err := d.MySQL(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	ended := watch(t, d)
	filled := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { filled <- fill(ctx, open(t, server)) }()
	requireFault(t, <-ended, fault.Failed, "the disk is full", "verify.dataDirectory")
	cancel()
	if err := <-filled; err == nil {
		t.Error("the disk was not filled")
	}
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	left, err := d.engine.helper(t.Context(), d.options.MySQLImage, "", nil, mount.Mount{Type: mount.TypeBind, Source: d.options.DataDirectory}, "ls", "-A", "/scratch")
	if err != nil || strings.TrimSpace(left) != "" {
		t.Errorf("on the disk is left: %q, %v", left, err)
	}
}

func fill(ctx context.Context, db *sql.DB) error {
	statements := []string{"CREATE DATABASE a", "CREATE TABLE a.t (b LONGBLOB)"}
	for range 1000 {
		statements = append(statements, "INSERT INTO a.t VALUES (REPEAT('x', 16000000))")
	}
	for _, s := range statements {
		if _, err := db.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// smallDisk has the engine mount a small disk, and returns where.
func smallDisk(t *testing.T, d *Docker) string {
	t.Helper()
	ctx, labels := t.Context(), map[string]string{labelDrill: d.options.Drill}
	volume, err := d.engine.api.VolumeCreate(ctx, client.VolumeCreateOptions{
		Name: d.options.Drill + "-disk", Labels: labels, DriverOpts: map[string]string{"type": "tmpfs", "device": "tmpfs", "o": "size=700m"},
	})
	if err != nil {
		t.Fatal(err)
	}
	// It is mounted while somebody uses it.
	holder, err := d.engine.provider.CreateContainer(ctx, testcontainers.ContainerRequest{
		Image: testbed.Need(t).MySQLImage, Entrypoint: []string{"sleep"}, Cmd: []string{"600"},
		HostConfigModifier: func(host *containertypes.HostConfig) {
			host.Mounts = []mount.Mount{{Type: mount.TypeVolume, Source: volume.Volume.Name, Target: "/disk"}}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if err := d.engine.removeContainer(ctx, holder.GetContainerID()); err != nil {
			t.Error(err)
		}
		if _, err := d.engine.api.VolumeRemove(ctx, volume.Volume.Name, client.VolumeRemoveOptions{}); err != nil {
			t.Error(err)
		}
	})
	if err := holder.Start(ctx); err != nil {
		t.Fatal(err)
	}
	return volume.Volume.Mountpoint
}

func TestReadDisk(t *testing.T) {
	const (
		coreutils = "Filesystem     1024-blocks     Used Available Capacity Mounted on\n/dev/vda 264212084 58540748 36960516 62% /var/lib/mysql\noverlay 264212084 58540748 36960000 62% /\n"
		busybox   = "Filesystem           1024-blocks    Used Available Capacity Mounted on\n/dev/my disk 1000 400 600 40% /data dir\n"
	)
	tests := map[string]struct {
		output string
		want   diskUse
		ok     bool
	}{
		"two directories":   {coreutils + "98160\t/var/lib/mysql\n20\t/tmp\n", diskUse{98180 << 10, 36960000 << 10}, true},
		"blanks in names":   {busybox + "4\t/data\n", diskUse{4 << 10, 600 << 10}, true},
		"a disk over full":  {"tmpfs 10 12 -2 100% /data\n4\t/data\n", diskUse{4 << 10, 0}, true},
		"no df":             {"4\t/data\n", diskUse{}, false},
		"no du":             {coreutils, diskUse{}, false},
		"nothing":           {"", diskUse{}, false},
		"words, no numbers": {"du: no\ndf: a b c d e 1%% f\n", diskUse{}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, ok := readDisk(tt.output)
			if ok != tt.ok || ok && got != tt.want {
				t.Errorf("got %+v, %v, want %+v, %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}
