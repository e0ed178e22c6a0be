package kube

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
)

// Releases returns the releases of Helm that a point holds.
func Releases(from *repository.SourceReader) ([]CapturedRelease, error) {
	var record Captured
	if err := from.Captured(&record); err != nil {
		return nil, err
	}
	return record.Releases, nil
}

// FindRelease returns the release of a name, or of NAMESPACE/NAME where several have
// it.
func FindRelease(from *repository.SourceReader, name string) (CapturedRelease, error) {
	all, err := Releases(from)
	if err != nil {
		return CapturedRelease{}, err
	}
	var texts, matching []string
	found := -1
	for i, r := range all {
		full := r.Namespace + "/" + r.Name
		texts = append(texts, full)
		if name == full || name == r.Name {
			found, matching = i, append(matching, full)
		}
	}
	switch {
	case len(matching) == 1:
		return all[found], nil
	case len(matching) > 1:
		return CapturedRelease{}, fault.New(fault.Usage, "choose Helm release "+name, "there are several of that name").Hint("give one of %s", strings.Join(matching, ", "))
	case len(all) == 0:
		return CapturedRelease{}, fault.New(fault.Usage, "choose Helm release "+name, "the point holds no releases of Helm").
			Hint("they are captured with the kind secrets, or configmaps where Helm keeps them there")
	default:
		return CapturedRelease{}, fault.New(fault.Usage, "choose Helm release "+name, "the point holds no such release").Hint("it holds %s", strings.Join(slices.Sorted(slices.Values(texts)), ", "))
	}
}

// ReleaseValues copies the values that the user has given a release, as YAML. What w
// has got is right only if there is no error.
func ReleaseValues(ctx context.Context, from *repository.SourceReader, release CapturedRelease, w io.Writer) error {
	file, err := from.Open(ctx, valuesName, helmDir, release.Namespace, release.Name)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // only read
	_, err = io.Copy(w, file)
	return err
}
