package bucket

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/source"
)

func TestPicker(t *testing.T) {
	keys := []string{"a/b", "a/bc", "a/c/d", "b", "c"}
	tests := map[string]struct {
		want   source.Selection
		picked []string // nil: nothing can be
		common string
	}{
		"everything":               {source.Selection{}, keys, ""},
		"the bucket":               {source.Selection{Include: []string{"x"}}, keys, ""},
		"another bucket":           {source.Selection{Include: []string{"y"}}, nil, ""},
		"any bucket":               {source.Selection{Include: []string{"*/c"}}, []string{"c"}, "c"},
		"a prefix":                 {source.Selection{Include: []string{"x/a/b"}}, []string{"a/b", "a/bc"}, "a/b"},
		"a prefix with a star":     {source.Selection{Include: []string{"x/a/b*"}}, []string{"a/b", "a/bc"}, "a/b"},
		"two prefixes":             {source.Selection{Include: []string{"x/a/bc", "x/a/c"}}, []string{"a/bc", "a/c/d"}, "a/"},
		"all but a prefix":         {source.Selection{Exclude: []string{"x/a"}}, []string{"b", "c"}, ""},
		"all but the bucket":       {source.Selection{Exclude: []string{"x"}}, nil, ""},
		"an object":                {source.Selection{Objects: []string{"x/a/b"}}, []string{"a/b"}, "a/"},
		"objects":                  {source.Selection{Objects: []string{"x/a/b", "x/c", "y/b"}}, []string{"a/b", "c"}, ""},
		"an object of another":     {source.Selection{Objects: []string{"y/a/b"}}, nil, ""},
		"an object and a prefix":   {source.Selection{Objects: []string{"x/a/b"}, Include: []string{"x/a/c"}}, []string{"a/b", "a/c/d"}, "a/"},
		"an object that is left":   {source.Selection{Objects: []string{"x/a/b", "x/b"}, Exclude: []string{"x/a"}}, []string{"b"}, ""},
		"an object, not what ends": {source.Selection{Objects: []string{"x/a"}}, []string{}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p, wanted := newPicker(tt.want, "x")
			if wanted != (tt.picked != nil) {
				t.Fatalf("wanted is %v", wanted)
			}
			if !wanted {
				return
			}
			picked := []string{}
			for _, key := range keys {
				if p.wants(key) {
					picked = append(picked, key)
				}
			}
			if diff := cmp.Diff(tt.picked, picked); diff != "" || p.common != tt.common {
				t.Errorf("picked (-want +got), with common prefix %q, want %q:\n%s", p.common, tt.common, diff)
			}
		})
	}
}

// A list that names what the point does not hold is not restored in part.
func TestLacking(t *testing.T) {
	p, _ := newPicker(source.Selection{Objects: []string{"x/a", "x/b", "x/c", "x/d"}, Exclude: []string{"x/c"}}, "x")
	if diff := cmp.Diff([]string{"a", "d"}, p.lacking(map[string]bool{"b": true})); diff != "" {
		t.Errorf("lacking (-want +got):\n%s", diff)
	}
}
