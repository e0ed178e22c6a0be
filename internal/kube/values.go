package kube

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/kube/helm"
	"github.com/openim-dr/openim-dr/internal/repository"
)

// CapturedRelease is what the record says of a release of Helm.
type CapturedRelease struct {
	Namespace    string `json:"namespace"`
	Name         string `json:"name"`
	Chart        string `json:"chart"`
	ChartVersion string `json:"chartVersion"`
	AppVersion   string `json:"appVersion,omitempty"`
	Revision     int64  `json:"revision"`
	Status       string `json:"status"`
}

// releaseRecord is what is recorded of a release, in which nothing may stand but names and
// versions.
func releaseRecord(r *helm.Release) CapturedRelease {
	return CapturedRelease{
		Namespace: r.Namespace, Name: r.Name, Chart: shortName(r.Chart.Name), ChartVersion: shortName(r.Chart.Version),
		AppVersion: shortName(r.Chart.AppVersion), Revision: r.Revision, Status: shortName(r.Status),
	}
}

// shortName takes from a text that somebody may have made up what no name or
// version has.
func shortName(text string) string {
	const longest = 128
	text = strings.Map(func(c rune) rune {
		if c <= ' ' || c > '~' {
			return -1
		}
		return c
	}, text)
	return text[:min(len(text), longest)]
}

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
