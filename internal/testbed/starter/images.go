package starter

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	// officialMySQL is used where the engine has it or a registry serves it.
	officialMySQL = "mysql:9.7"
	// recipeLabel tells by which recipe an image or a container was made.
	recipeLabel = "openim-dr-testbed.recipe"

	pullAnswer = 10 * time.Second // for a registry to say that it has an image
	pullWhole  = 10 * time.Minute // for the image to arrive
)

var errNoImage = errors.New("the engine has no such image")

func (tb *Testbed) mysqlRecipeDir() string {
	return filepath.Join(tb.root, "internal", "testbed", "starter", "mysqlimage")
}

func (tb *Testbed) mysqlRecipe() (string, error) {
	parts, err := recipeFiles(tb.mysqlRecipeDir(), "*")
	return recipe(parts...), err
}

// mysqlImage returns the name of the MySQL image that the engine has.
func (tb *Testbed) mysqlImage(ctx context.Context) (string, error) {
	if _, err := docker(ctx, "image", "inspect", "--format", "{{.Id}}", officialMySQL); err == nil {
		return officialMySQL, nil
	}
	recipe, err := tb.mysqlRecipe()
	if err != nil {
		return "", err
	}
	return imageOf(ctx, recipe)
}

// imageOf returns the name of the image that was made by a recipe.
func imageOf(ctx context.Context, recipe string) (string, error) {
	names, err := docker(ctx, "images", "--filter", "label="+recipeLabel+"="+recipe, "--format", "{{.Repository}}:{{.Tag}}")
	if err != nil {
		return "", err
	}
	name, _, _ := strings.Cut(names, "\n")
	if name == "" {
		return "", errNoImage
	}
	return name, nil
}

// mysqlImageKnown says whether the MySQL image can be had without building it.
func (tb *Testbed) mysqlImageKnown(ctx context.Context, engine bool) bool {
	if engine {
		if _, err := tb.mysqlImage(ctx); err == nil {
			return true
		}
	}
	recipe, err := tb.mysqlRecipe()
	if err != nil {
		return false
	}
	return found(filepath.Join(tb.cache.dir, "artifacts", "mysql-image-"+recipe))
}

// prepareMySQLImage gets the MySQL image into the engine: pulled where a registry
// serves it, otherwise built.
func (tb *Testbed) prepareMySQLImage(ctx context.Context) error {
	if _, err := tb.mysqlImage(ctx); !errors.Is(err, errNoImage) {
		return err
	}
	if tb.pull(ctx, officialMySQL) {
		return nil
	}
	recipe, err := tb.mysqlRecipe()
	if err != nil {
		return err
	}
	path, err := tb.cache.artifact(ctx, "mysql-image", recipe, tb.buildMySQLImage)
	if err != nil {
		return err
	}
	version, err := os.ReadFile(filepath.Join(path, "version"))
	if err != nil {
		return err
	}
	return tb.importImage(ctx, image{
		name:   fmt.Sprintf("openim-dr-testbed/mysql:%s-%s", strings.TrimSpace(string(version)), recipe),
		recipe: recipe,
		tree:   exec.CommandContext(ctx, "zstd", "-q", "-d", "-c", filepath.Join(path, "rootfs.tar.zst")),
		changes: []string{
			`ENTRYPOINT ["/usr/local/bin/entrypoint.sh"]`, `CMD ["mysqld"]`,
			"VOLUME /var/lib/mysql", "EXPOSE 3306",
		},
	})
}

func (tb *Testbed) buildMySQLImage(ctx context.Context, path string) error {
	return tb.buildImage(ctx, "mysql-image", "2 minutes", tb.mysqlRecipeDir(), path)
}

// buildImage runs the build.sh of a recipe's directory.
func (tb *Testbed) buildImage(ctx context.Context, name, usual, recipeDir, path string) error {
	s := step{
		doing: "build " + name,
		usual: usual,
		log:   tb.cache.log(name),
		try:   "see that Debian's mirror answers (`apt-get update`), then again",
	}
	return tb.console.run(ctx, s, func(ctx context.Context, log io.Writer) error {
		return run(ctx, log, filepath.Join(recipeDir, "build.sh"), recipeDir, path+".work", path)
	})
}

// image is a file system that becomes an image of the engine.
type image struct {
	name    string
	recipe  string
	tree    *exec.Cmd // prints the file system as a tar
	changes []string
}

func (tb *Testbed) importImage(ctx context.Context, img image) error {
	unlock, err := lockFile(ctx, filepath.Join(tb.cache.dir, "locks", "import"))
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := imageOf(ctx, img.recipe); !errors.Is(err, errNoImage) {
		return err
	}
	args := []string{"import", "--change", fmt.Sprintf("LABEL %s=%s", recipeLabel, img.recipe)}
	for _, change := range img.changes {
		args = append(args, "--change", change)
	}
	load := exec.CommandContext(ctx, "docker", append(args, "-", img.name)...)
	if load.Stdin, err = img.tree.StdoutPipe(); err != nil {
		return err
	}
	s := step{doing: "import image " + img.name, log: tb.cache.log("import-" + img.recipe), try: "see that the engine's disk has room, then again"}
	return tb.console.run(ctx, s, func(_ context.Context, log io.Writer) error {
		img.tree.Stderr, load.Stdout, load.Stderr = log, log, log
		if err := img.tree.Start(); err != nil {
			return err
		}
		return errors.Join(load.Run(), img.tree.Wait())
	})
}

// pull tries to have an image from a registry. That none serves it is remembered
// for a day and is no error: the image is built then.
func (tb *Testbed) pull(ctx context.Context, name string) bool {
	if tb.cache.refusedLately(name) {
		return false
	}
	s := step{doing: "pull image " + name, log: tb.cache.log("pull")}
	err := tb.console.run(ctx, s, func(ctx context.Context, log io.Writer) error { return pullImage(ctx, log, name) })
	if err == nil {
		return true
	}
	if ctx.Err() == nil {
		tb.console.printf("no registry serves %s: it is built here", name)
		if err := tb.cache.rememberRefusal(name, err.Error()); err != nil {
			tb.console.printf("remember that: %v", err)
		}
	}
	return false
}

// pullImage pulls an image. The registry has a short time to say that it has the
// image at all, and a long one to send it.
func pullImage(ctx context.Context, log io.Writer, name string) error {
	ctx, cancel := context.WithTimeout(ctx, pullWhole)
	defer cancel()
	impatient := time.AfterFunc(pullAnswer, cancel)
	defer impatient.Stop()

	cmd := exec.CommandContext(ctx, "docker", "pull", name)
	cmd.Stderr = log
	cmd.WaitDelay = 5 * time.Second
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		fmt.Fprintln(log, lines.Text())
		if strings.Contains(lines.Text(), "Pulling from") {
			impatient.Stop()
		}
	}
	return cmd.Wait()
}
