package kube

import (
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/source"
)

func TestSelectionWants(t *testing.T) {
	secret := key{schema.GroupKind{Kind: "Secret"}, "openim-mysql"}
	tests := map[string]struct {
		want source.Selection
		ok   bool
	}{
		"the zero selection wants all":        {source.Selection{}, true},
		"its namespace":                       {source.Selection{Include: []string{"openim"}}, true},
		"another namespace":                   {source.Selection{Include: []string{"seaweedfs"}}, false},
		"a namespace is matched whole":        {source.Selection{Include: []string{"open"}}, false},
		"its kind":                            {source.Selection{Include: []string{"openim/Secret"}}, true},
		"its kind in lower case":              {source.Selection{Include: []string{"openim/secret/*"}}, true},
		"another kind":                        {source.Selection{Include: []string{"openim/ConfigMap"}}, false},
		"its name":                            {source.Selection{Include: []string{"openim/Secret/openim-mysql"}}, true},
		"a pattern of names":                  {source.Selection{Include: []string{"*/*/openim-*"}}, true},
		"one of several":                      {source.Selection{Include: []string{"seaweedfs", "openim"}}, true},
		"excluded":                            {source.Selection{Exclude: []string{"openim/Secret/openim-mysql"}}, false},
		"excluded wins over included":         {source.Selection{Include: []string{"openim"}, Exclude: []string{"*/Secret"}}, false},
		"another one excluded":                {source.Selection{Exclude: []string{"openim/Secret/other"}}, true},
		"a renamed namespace has its old one": {source.Selection{Include: []string{"openim"}, Rename: map[string]string{"openim": "new"}}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, err := newSelection(tt.want)
			if err != nil {
				t.Fatal(err)
			}
			if got := s.wants("openim", secret); got != tt.ok {
				t.Errorf("wants is %v, want %v", got, tt.ok)
			}
			if tt.ok && !s.mayWant("openim") {
				t.Error("the namespace of a wanted object would not be read")
			}
		})
	}
}

func TestSelectionRefuses(t *testing.T) {
	captured := []CapturedNamespace{{Name: "a"}, {Name: "b"}}
	tests := map[string]source.Selection{
		"four parts":                      {Include: []string{"a/Secret/b/c"}},
		"an empty part":                   {Exclude: []string{"a//b"}},
		"a broken pattern":                {Include: []string{"a/Secret/[b"}},
		"renaming what is not there":      {Rename: map[string]string{"c": "d"}},
		"two names that become one":       {Rename: map[string]string{"a": "x", "b": "x"}},
		"renaming onto another that goes": {Rename: map[string]string{"a": "b"}},
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			s, err := newSelection(want)
			if err == nil {
				err = s.check(captured)
			}
			if err == nil || fault.KindOf(err) != fault.Usage {
				t.Errorf("error %v, want one of usage", err)
			}
		})
	}
	s, err := newSelection(source.Selection{Include: []string{"a"}, Rename: map[string]string{"a": "b"}})
	if err == nil {
		err = s.check(captured)
	}
	if err != nil {
		t.Errorf("renaming onto one that stays behind: %v", err)
	}
}

// What is not in the point leads to what is.
func TestRenameOfNoNamespace(t *testing.T) {
	selected, err := newSelection(source.Selection{Rename: map[string]string{"opneim": "copy"}})
	if err != nil {
		t.Fatal(err)
	}
	err = selected.check([]CapturedNamespace{{Name: "a"}, {Name: "b"}, {Name: "c"}, {Name: "d"}, {Name: "e"}, {Name: "f"}})
	if e, ok := fault.Outermost(err); !ok || e.Try != "it holds the namespaces a, b, c, d, e and 1 more" {
		t.Errorf("got %+v", err)
	}
}

func TestRenamesThatCannotBeMeant(t *testing.T) {
	for text, to := range map[string]string{
		"openim/Secret": "new", "openim//a": "new", "openim/Secret/a/b": "new", "openim/Secret/*": "new", "*/Secret/a": "new",
		"openim/Secret/a": "../b", "openim/Secret/b": "n/w",
	} {
		if _, err := newSelection(source.Selection{Rename: map[string]string{text: to}}); fault.KindOf(err) != fault.Usage {
			t.Errorf("%s=%s: %v, want an error of usage", text, to, err)
		}
	}
}
