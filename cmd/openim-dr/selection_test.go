package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/source"
)

func TestSelections(t *testing.T) {
	targets := []config.Source{{Name: "main"}, {Name: "media"}}
	tests := map[string]struct {
		flags restoreFlags
		want  map[string]source.Selection // nil: refused
	}{
		"nothing wants everything": {restoreFlags{}, map[string]source.Selection{"main": {}, "media": {}}},
		"a pattern goes to its source": {
			restoreFlags{include: []string{"main/a.b", "media/x/y/z"}, exclude: []string{"main/a.c"}},
			map[string]source.Selection{"main": {Include: []string{"a.b"}, Exclude: []string{"a.c"}}, "media": {Include: []string{"x/y/z"}}},
		},
		"a plain rename goes to all": {
			restoreFlags{rename: []string{"a=b"}},
			map[string]source.Selection{"main": {Rename: map[string]string{"a": "b"}}, "media": {Rename: map[string]string{"a": "b"}}},
		},
		"a rename of one source": {
			restoreFlags{rename: []string{"main/a=b"}},
			map[string]source.Selection{"main": {Rename: map[string]string{"a": "b"}}, "media": {}},
		},
		"a table": {
			restoreFlags{rename: []string{"main/a.b=c"}},
			map[string]source.Selection{"main": {Rename: map[string]string{"a.b": "c"}}, "media": {}},
		},
		"backquotes hide what would part a name": {
			restoreFlags{rename: []string{"main/`a/b=c`.`d``=`=`e=f`"}},
			map[string]source.Selection{"main": {Rename: map[string]string{"`a/b=c`.`d``=`": "`e=f`"}}, "media": {}},
		},
		"an unknown source":      {restoreFlags{include: []string{"other/a"}}, nil},
		"a source alone":         {restoreFlags{include: []string{"main/"}}, nil},
		"a pattern alone":        {restoreFlags{exclude: []string{"a.b"}}, nil},
		"a rename to nothing":    {restoreFlags{rename: []string{"a="}}, nil},
		"a quoted equals sign":   {restoreFlags{rename: []string{"`a=b`"}}, nil},
		"a rename without equal": {restoreFlags{rename: []string{"a"}}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := selections(targets, tt.flags)
			if tt.want == nil {
				if err == nil || fault.KindOf(err) != fault.Usage {
					t.Errorf("got %v, want a usage error", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("selections (-want +got):\n%s", diff)
			}
		})
	}
}
