package repository_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// createOnly is a bucket under a retention policy whose writer may create, read
// and do nothing else.
type createOnly struct {
	*repotest.Memory
	t *testing.T
}

func (c *createOnly) Delete(_ context.Context, seen storage.Info) error {
	c.t.Errorf("%s is deleted", seen.Name)
	return storage.ErrDenied
}

func (c *createOnly) Create(ctx context.Context, name string) (storage.Upload, error) {
	u, err := c.Memory.Create(ctx, name)
	return &createOnlyUpload{Upload: u, of: c, name: name}, err
}

type createOnlyUpload struct {
	storage.Upload
	of   *createOnly
	name string
}

func (u *createOnlyUpload) Commit() (storage.Info, error) {
	info, err := u.Upload.Commit()
	if errors.Is(err, storage.ErrExist) {
		u.of.t.Errorf("%s is written twice, with different content", u.name)
	}
	return info, err
}

// Invariant 10: nothing is ever overwritten.
func TestAWholeRunOnlyCreates(t *testing.T) {
	memory := repotest.NewMemory()
	f := repotest.Over(t, &createOnly{memory, t})
	w := f.Writer(t)
	before := map[string][]byte{}
	for i := range 3 {
		begin(t, w, "manual") // killed
		s := sample()
		s.Objects["a/b"] = fmt.Sprint("changed ", i)
		requireRestores(t, f, mustTake(t, w, "manual", s).Point, s)
		for name, content := range before {
			if !bytes.Equal(memory.Content(name), content) {
				t.Errorf("%s was changed or removed by a later run", name)
			}
		}
		for _, name := range memory.Names() {
			before[name] = memory.Content(name)
		}
	}
}

// Invariant 4: plain files hold counts, codes and configured names.
func TestNoMarkerInThePlain(t *testing.T) {
	f := repotest.New(t)
	s := &repotest.Sample{
		Name:    "main",
		Tables:  map[string]string{"openIM_v3/users": "MARKER-ROW\tMARKER-VALUE\n" + strings.Repeat("MARKER-ROW", 100)},
		Objects: map[string]string{"MARKER-KEY/1": "MARKER-CONTENT", "MARKER-KEY/2": strings.Repeat("MARKER-CONTENT ", 1000)},
	}
	s.Gone = 1
	mustTake(t, f.Writer(t), "manual", s)
	repotest.RequireSealed(t, f.Dir(), []string{"MARKER", "AGE-SECRET-KEY", f.Operator.Secret(), "somebody"})
}
