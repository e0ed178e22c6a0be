package bucket

import (
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

var _ source.Chooser = (*Source)(nil)

// Needs leaves out buckets that are not wanted, and older versions where they are
// not. Which packs a part of a bucket needs just its index could tell.
func (s *Source) Needs(from *repository.SourceReader, want source.Selection) ([]repository.File, error) {
	var record Captured
	if err := from.Captured(&record); err != nil {
		return nil, err
	}
	var unwanted [][]string
	for _, b := range record.Buckets {
		_, wanted := newPicker(want, b.Bucket)
		if !wanted {
			unwanted = append(unwanted, []string{b.Bucket})
		}
		if !wanted || !want.Versions {
			unwanted = append(unwanted, []string{olderOf(b.Bucket)})
		}
	}
	return from.FilesWithout(unwanted...), nil
}
