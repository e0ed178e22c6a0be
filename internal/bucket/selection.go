package bucket

import (
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/source"
)

// picker decides which objects of one bucket are wanted. Patterns are
// "BUCKET" or "BUCKET/PREFIX"; a BUCKET of "*" is every bucket, and a PREFIX
// may end with "*" for those who expect that.
type picker struct {
	include []string // prefixes; "" is the whole bucket
	exclude []string
}

// newPicker returns the picker of one bucket; wanted is false where nothing of
// the bucket can be chosen.
func newPicker(want source.Selection, bucket string) (p picker, wanted bool) {
	p.include = prefixes(want.Include, bucket)
	p.exclude = prefixes(want.Exclude, bucket)
	if len(want.Include) == 0 {
		p.include = []string{""}
	}
	return p, len(p.include) > 0 && !slices.Contains(p.exclude, "")
}

// prefixes returns what the patterns say of a bucket.
func prefixes(patterns []string, bucket string) []string {
	var found []string
	for _, pattern := range patterns {
		name, prefix, _ := strings.Cut(pattern, "/")
		if name == bucket || name == "*" {
			found = append(found, strings.TrimSuffix(prefix, "*"))
		}
	}
	return found
}

// whole reports whether everything is wanted.
func (p picker) whole() bool { return slices.Contains(p.include, "") && len(p.exclude) == 0 }

// prefix is what all wanted keys begin with.
func (p picker) prefix() string {
	if len(p.include) == 1 {
		return p.include[0]
	}
	return ""
}

// wants reports whether an object is wanted. Exclusion wins.
func (p picker) wants(key string) bool {
	begins := func(prefix string) bool { return strings.HasPrefix(key, prefix) }
	return slices.ContainsFunc(p.include, begins) && !slices.ContainsFunc(p.exclude, begins)
}
