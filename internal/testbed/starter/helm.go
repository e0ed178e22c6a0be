package starter

import (
	"context"
	"errors"
	"os"
	"path/filepath"
)

// helm is a program and no server: with it tests install charts, so that what Helm
// keeps in a cluster is what Helm itself has written.
func (tb *Testbed) helm() part {
	return part{
		name: "helm",
		check: func(context.Context) error {
			_, err := os.Stat(tb.helmProgram())
			return err
		},
		prepare: tb.prepareHelm,
		start:   func(context.Context) error { return nil },
	}
}

func (tb *Testbed) prepareHelm(ctx context.Context) error {
	path, err := tb.binary(ctx, helmClient)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(tb.data("helm"), 0o755); err != nil {
		return err
	}
	return errors.Join(remove(tb.helmProgram()), os.Symlink(path, tb.helmProgram()))
}

// helmProgram is a name that does not change.
func (tb *Testbed) helmProgram() string { return filepath.Join(tb.data("helm"), "helm") }
