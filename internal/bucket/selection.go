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
	listed  map[string]bool // keys that are wanted one by one
	common  string          // what all wanted keys begin with
	bucket  string          // as captured
	sample  *source.Sample  // nil: all that is wanted
}

// newPicker returns the picker of one bucket; wanted is false where nothing of
// the bucket can be chosen.
func newPicker(want source.Selection, bucket string) (p picker, wanted bool) {
	p.include = prefixes(want.Include, bucket)
	p.exclude = prefixes(want.Exclude, bucket)
	if len(want.Include) == 0 && len(want.Objects) == 0 {
		p.include = []string{""}
	}
	p.listed = keysOf(want.Objects, bucket)
	p.common = commonPrefix(p.include, p.listed)
	p.bucket, p.sample = bucket, want.Sample
	return p, len(p.include)+len(p.listed) > 0 && !slices.Contains(p.exclude, "")
}

// keysOf returns those of the objects that are of a bucket.
func keysOf(objects []string, bucket string) map[string]bool {
	keys := map[string]bool{}
	for _, object := range objects {
		if key, ok := strings.CutPrefix(object, bucket+"/"); ok {
			keys[key] = true
		}
	}
	return keys
}

// commonPrefix returns what everything that is wanted begins with. Of keys it is
// a directory, which servers list faster than the beginning of a name.
func commonPrefix(include []string, keys map[string]bool) string {
	if len(include) == 1 && len(keys) == 0 {
		return include[0]
	}
	first, common := true, ""
	join := func(s string) {
		if first {
			first, common = false, s
			return
		}
		n := 0
		for n < min(len(common), len(s)) && common[n] == s[n] {
			n++
		}
		common = common[:n]
	}
	for _, prefix := range include {
		join(prefix)
	}
	for key := range keys {
		join(key)
	}
	return common[:strings.LastIndexByte(common, '/')+1]
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
func (p picker) whole() bool {
	return slices.Contains(p.include, "") && len(p.exclude) == 0 && p.sample == nil
}

// wants reports whether an object is wanted. Exclusion wins.
func (p picker) wants(key string) bool {
	begins := func(prefix string) bool { return strings.HasPrefix(key, prefix) }
	return (p.listed[key] || slices.ContainsFunc(p.include, begins)) && !slices.ContainsFunc(p.exclude, begins) && p.sample.Draws(p.bucket, key)
}

// lacking returns the keys of the list that are not among those found, in order.
func (p picker) lacking(found map[string]bool) []string {
	var keys []string
	for key := range p.listed {
		if p.wants(key) && !found[key] {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}
