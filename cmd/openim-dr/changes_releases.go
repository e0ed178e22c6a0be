package main

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/openim-dr/openim-dr/internal/kube"
	"github.com/openim-dr/openim-dr/internal/repository"
)

// releaseChanges says in words what has become of the Helm releases between two
// points. It takes no key.
func releaseChanges(from, to *repository.SourceReader) ([]string, error) {
	before, err := kube.Releases(from)
	if err != nil {
		return nil, err
	}
	after, err := kube.Releases(to)
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, is := range after {
		i := slices.IndexFunc(before, func(r kube.CapturedRelease) bool { return sameRelease(r, is) })
		switch {
		case i < 0:
			lines = append(lines, releaseName(is)+": new, "+revisionText(is))
		case before[i] != is:
			lines = append(lines, releaseName(is)+": from "+revisionText(before[i])+" to "+revisionText(is))
		}
	}
	for _, was := range before {
		if !slices.ContainsFunc(after, func(r kube.CapturedRelease) bool { return sameRelease(r, was) }) {
			lines = append(lines, releaseName(was)+": gone, was "+revisionText(was))
		}
	}
	return lines, nil
}

func sameRelease(a, b kube.CapturedRelease) bool {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name)) == 0
}

func releaseName(r kube.CapturedRelease) string { return printable(r.Namespace + "/" + r.Name) }

// revisionText is a revision of a release: "openim 1.2.3, app 3.4.0, revision 7, deployed".
func revisionText(r kube.CapturedRelease) string {
	app := ""
	if r.AppVersion != "" {
		app = ", app " + r.AppVersion
	}
	return printable(fmt.Sprintf("%s %s%s, revision %d, %s", r.Chart, r.ChartVersion, app, r.Revision, r.Status))
}
