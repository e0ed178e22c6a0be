package starter

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
)

// tools is an image with the stock tools that the page of a restore by hand
// asks for, and nothing else. Nothing of it runs before a test wants it.
func (tb *Testbed) tools() part {
	return part{
		name: "stock tools",
		check: func(ctx context.Context) error {
			_, err := tb.toolsImage(ctx)
			return err
		},
		prepare: tb.prepareToolsImage,
		start:   func(context.Context) error { return nil },
	}
}

func (tb *Testbed) toolsRecipeDir() string {
	return filepath.Join(tb.root, "internal", "testbed", "starter", "toolsimage")
}

func (tb *Testbed) toolsRecipe() (string, error) {
	parts, err := recipeFiles(tb.toolsRecipeDir(), "*")
	return recipe(parts...), err
}

// toolsImage returns the name of the image that the engine has.
func (tb *Testbed) toolsImage(ctx context.Context) (string, error) {
	recipe, err := tb.toolsRecipe()
	if err != nil {
		return "", err
	}
	return imageOf(ctx, recipe)
}

// officialDebian is what the image is made from where the engine has it or a
// registry serves it.
const officialDebian = "debian:bookworm"

// toolsImageKnown says whether the image can be had without debootstrap.
func (tb *Testbed) toolsImageKnown(ctx context.Context, engine bool) bool {
	if engine {
		if _, err := tb.toolsImage(ctx); err == nil || hasImage(ctx, officialDebian) {
			return true
		}
	}
	recipe, err := tb.toolsRecipe()
	return err == nil && found(filepath.Join(tb.cache.dir, "artifacts", "tools-image-"+recipe))
}

func hasImage(ctx context.Context, name string) bool {
	_, err := docker(ctx, "image", "inspect", "--format", "{{.Id}}", name)
	return err == nil
}

// prepareToolsImage gets the image into the engine: from Debian's own where that
// can be had, otherwise from packages alone.
func (tb *Testbed) prepareToolsImage(ctx context.Context) error {
	if _, err := tb.toolsImage(ctx); !errors.Is(err, errNoImage) {
		return err
	}
	recipe, err := tb.toolsRecipe()
	if err != nil {
		return err
	}
	name := "openim-dr-testbed/tools:" + recipe
	if hasImage(ctx, officialDebian) || tb.pull(ctx, officialDebian) {
		s := step{doing: "build " + name, usual: "1 minute", log: tb.cache.log("tools-image"), try: "see that Debian's mirror answers, then again"}
		return tb.console.run(ctx, s, func(ctx context.Context, log io.Writer) error {
			return run(ctx, log, "docker", "build", "--network", "host", "--label", recipeLabel+"="+recipe, "--tag", name, tb.toolsRecipeDir())
		})
	}
	path, err := tb.cache.artifact(ctx, "tools-image", recipe, func(ctx context.Context, path string) error {
		return tb.buildImage(ctx, "tools-image", "2 minutes", tb.toolsRecipeDir(), path)
	})
	if err != nil {
		return err
	}
	return tb.importImage(ctx, image{
		name:    name,
		recipe:  recipe,
		tree:    exec.CommandContext(ctx, "zstd", "-q", "-d", "-c", filepath.Join(path, "rootfs.tar.zst")),
		changes: []string{`CMD ["/bin/sh"]`},
	})
}
