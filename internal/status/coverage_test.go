package status_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/status"
)

// Nothing is well while a store is covered by nobody, or nobody could look.
func TestCover(t *testing.T) {
	mongo := source.Finding{Check: "openim.mongodb", Severity: source.Error, Evidence: "openim-cm sets\nmongo", Remedy: "back it up", Store: "MongoDB"}
	redis := source.Finding{Check: "openim.redis", Severity: source.Warning, Store: "Redis or Dragonfly"}
	tests := map[string]struct {
		findings []source.Finding
		state    string
		want     map[string]status.Code // by subject
		stores   int
	}{
		"nothing is left out":           {[]source.Finding{{Check: "openim.mysql", Severity: source.OK}}, status.OK, nil, 0},
		"a store":                       {[]source.Finding{mongo}, status.Warning, map[string]status.Code{"MongoDB": status.StoreUncovered}, 1},
		"one that is used twice":        {[]source.Finding{mongo, mongo}, status.Warning, map[string]status.Code{"MongoDB": status.StoreUncovered}, 1},
		"one that is a warning":         {[]source.Finding{redis, mongo}, status.Warning, map[string]status.Code{"MongoDB": status.StoreUncovered, "Redis or Dragonfly": status.StoreUncovered}, 2},
		"data that go with a node":      {[]source.Finding{{Check: "openim.storage", Severity: source.Error}}, status.Warning, map[string]status.Code{"openim.storage": status.StoreUncovered}, 0},
		"a look that failed":            {[]source.Finding{{Check: "openim.configuration", Severity: source.Warning, Unseen: true}}, status.Warning, map[string]status.Code{"openim.configuration": status.CoverageUnknown}, 0},
		"what is only worth knowing":    {[]source.Finding{{Check: "kubernetes.kept", Severity: source.Info}}, status.OK, nil, 0},
		"another warning of the doctor": {[]source.Finding{{Check: "kubernetes.images", Severity: source.Warning}}, status.OK, nil, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := &status.Report{State: status.OK}
			r.Cover(tt.findings)
			got := map[string]status.Code{}
			for _, reason := range r.Reasons {
				got[reason.Subject] = reason.Code
			}
			if tt.want == nil {
				tt.want = map[string]status.Code{}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || r.State != tt.state || *r.UncoveredStores != tt.stores || len(r.Reasons) != len(got) {
				t.Errorf("state %s with %d stores, want %s with %d (-want +got):\n%s", r.State, *r.UncoveredStores, tt.state, tt.stores, diff)
			}
		})
	}
	r := &status.Report{State: status.Critical, Reasons: []status.Reason{{Severity: status.Critical}}}
	if r.Cover([]source.Finding{mongo}); r.State != status.Critical || r.Reasons[1].Text != "openim-cm sets mongo; to do: back it up" {
		t.Errorf("what is worse does not win: %+v", r)
	}
}
