package starter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// pauseImage holds the namespaces of each pod.
const pauseImage = "docker.io/openim-dr-testbed/pause:2"

// nodeImage is an image that the node's pods may use. The engine has it as well.
type nodeImage struct{ variable, name string }

// ownImage is an image of one static program.
type ownImage struct {
	variable, repository string
	server               goServer
}

// ownImages are made of what the testbed builds.
var ownImages = []ownImage{
	{"GCS_IMAGE", "openim-dr-testbed/gcs", gcsServer},
	{"OPENIM_IMAGE", "openim-dr-testbed/openim", openimServer},
}

// prepareImages gets all images into the engine.
func (n *Node) prepareImages(ctx context.Context) error {
	tb := n.tb
	if err := errors.Join(tb.prepareMySQLImage(ctx), tb.prepareSeaweedFS(ctx)); err != nil {
		return err
	}
	for _, i := range ownImages {
		path, err := tb.binary(ctx, i.server)
		if err != nil {
			return err
		}
		name := i.repository + ":" + filepath.Base(path)
		if err := tb.programImage(ctx, name, path, "program"); err != nil {
			return err
		}
	}
	shell, err := exec.LookPath(busybox)
	if err != nil {
		return err
	}
	return tb.programImage(ctx, pauseImage, shell, busybox, "sleep", "2147483647")
}

// programImage makes an image of one static program, which runs with some arguments.
func (tb *Testbed) programImage(ctx context.Context, name, path, program string, args ...string) error {
	entry, err := json.Marshal(append([]string{"/" + program}, args...))
	if err != nil {
		return err
	}
	recipe := recipe("program image", name, string(entry))
	if _, err := imageOf(ctx, recipe); !errors.Is(err, errNoImage) {
		return err
	}
	return tb.importImage(ctx, image{
		name: name, recipe: recipe, changes: []string{"ENTRYPOINT " + string(entry)},
		tree: exec.CommandContext(ctx, "tar", "-c", "--dereference", "--mode=0755", "--owner=0", "--group=0",
			"--absolute-names", "--transform", "s,^"+path+"$,"+program+",", path),
	})
}

// images are what the node is to have.
func (n *Node) images(ctx context.Context) ([]nodeImage, error) {
	mysql, err := n.tb.mysqlImage(ctx)
	if err != nil {
		return nil, err
	}
	weed, err := n.tb.seaweedfsImage(ctx)
	if err != nil {
		return nil, err
	}
	images := []nodeImage{{"", pauseImage}, {"MYSQL_IMAGE", mysql}, {"SEAWEEDFS_IMAGE", weed}}
	for _, i := range ownImages {
		path, err := n.tb.binary(ctx, i.server)
		if err != nil {
			return nil, err
		}
		images = append(images, nodeImage{i.variable, i.repository + ":" + filepath.Base(path)})
	}
	return images, nil
}

// loadImages copies the engine's images to the node.
func (n *Node) loadImages(ctx context.Context) error {
	images, err := n.images(ctx)
	if err != nil {
		return err
	}
	args := []string{"save"}
	for _, i := range images {
		args = append(args, i.name)
	}
	save := exec.CommandContext(ctx, "docker", args...)
	archive, err := save.StdoutPipe()
	if err != nil {
		return err
	}
	s := step{doing: "load images into the node", usual: "20 seconds", log: n.tb.log("node-images"), try: "see that the disk has room, then again"}
	return n.tb.console.run(ctx, s, func(ctx context.Context, log io.Writer) error {
		save.Stderr = log
		if err := save.Start(); err != nil {
			return err
		}
		return errors.Join(n.load(ctx, archive, log), save.Wait())
	})
}

// Load loads an archive of images, as `docker save` writes them, into the node.
func (n *Node) Load(ctx context.Context, path string) error {
	if err := n.tb.load(); err != nil {
		return err
	}
	archive, err := os.Open(path)
	if err != nil {
		return err
	}
	defer archive.Close()
	s := step{doing: "load " + path + " into the node", log: n.tb.log("node-images"), try: "see that it is an archive of images"}
	return n.tb.console.run(ctx, s, func(ctx context.Context, log io.Writer) error { return n.load(ctx, archive, log) })
}

func (n *Node) load(ctx context.Context, archive io.Reader, log io.Writer) error {
	pids, _ := n.tb.running(nodeName)
	if len(pids) != 1 {
		return fmt.Errorf("the node has %d first processes, want 1", len(pids))
	}
	inside := []string{"--target", strconv.Itoa(pids[0]), "--mount", "--net", "--pid", "--", "ctr", "--address", containerSocket, "--namespace", "k8s.io"}
	err := poll(ctx, 100*time.Millisecond, func() (bool, error) {
		return run(ctx, io.Discard, "nsenter", append(inside, "version")...) == nil, nil
	})
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "nsenter", append(inside, "images", "import", "-")...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = archive, log, log
	return cmd.Run()
}
