package kube

import (
	"slices"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

var _ source.Chooser = (*Cluster)(nil)

// Needs leaves out namespaces of which nothing is wanted, and the claims of volumes
// that are not.
func (c *Cluster) Needs(from *repository.SourceReader, want source.Selection) ([]repository.File, error) {
	selected, err := newSelection(want)
	if err != nil {
		return nil, err
	}
	var record Captured
	if err := from.Captured(&record); err != nil {
		return nil, err
	}
	var unwanted [][]string
	for _, n := range record.parts() {
		if !selected.mayWant(n.Name) {
			unwanted = append(unwanted, []string{n.Name})
		}
	}
	if !want.Volumes {
		unwanted = append(unwanted, []string{claimsStem})
	}
	// What is said about objects is not needed to bring them back.
	return slices.DeleteFunc(from.FilesWithout(unwanted...), func(f repository.File) bool { return from.IsObjectList(f) || from.In(f, helmDir) }), nil
}
