package scratch

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/openim-dr/openim-dr/internal/testbed"
)

// childDrill has the test's program start a server and wait to be killed.
const childDrill = "OPENIM_DR_TEST_SCRATCH_DRILL"

func TestMain(m *testing.M) {
	if drill := os.Getenv(childDrill); drill != "" {
		waitToBeKilled(drill, os.Getenv(childDrill+"_IMAGE"))
	}
	os.Exit(m.Run())
}

func waitToBeKilled(drill, image string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	d, err := New(ctx, Options{Drill: drill, Deadline: time.Now().Add(time.Hour), MySQLImage: image})
	if err == nil {
		_, err = d.MySQL(ctx, "main")
	}
	fmt.Println("started:", err)
	<-ctx.Done()
	os.Exit(1)
}

// newDrill returns a drill of the test's own, with nothing started.
func newDrill(t *testing.T, change func(o *Options)) *Docker {
	t.Helper()
	env := testbed.Need(t)
	o := Options{
		Drill: newID(), Deadline: time.Now().Add(time.Hour), MySQLImage: env.MySQLImage, SeaweedFSImage: env.SeaweedFSImage,
		Memory: 512 << 20, Log: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&o)
	}
	d, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	return d
}

func newID() string { return "test-" + strings.ToLower(rand.Text()[:12]) }

// leftOf returns what the engine has of a drill.
func leftOf(t *testing.T, d *Docker, drill string) (containers, volumes, networks int) {
	t.Helper()
	filter := make(client.Filters).Add("label", labelDrill+"="+drill)
	c, err := d.engine.api.ContainerList(t.Context(), client.ContainerListOptions{All: true, Filters: filter})
	if err != nil {
		t.Fatal(err)
	}
	v, err := d.engine.api.VolumeList(t.Context(), client.VolumeListOptions{Filters: filter})
	if err != nil {
		t.Fatal(err)
	}
	n, err := d.engine.api.NetworkList(t.Context(), client.NetworkListOptions{Filters: filter})
	if err != nil {
		t.Fatal(err)
	}
	return len(c.Items), len(v.Items), len(n.Items)
}

func requireNothingLeft(t *testing.T, d *Docker, drill string) {
	t.Helper()
	if c, v, n := leftOf(t, d, drill); c+v+n > 0 {
		t.Errorf("%d containers, %d volumes and %d networks are left", c, v, n)
	}
}
