package status

import (
	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/source"
)

// Cover adds what doctor has found when it looked at what of the deployment the sources
// cover. A store that nobody covers is a warning, since other means may: whoever relies
// on them is not called at night, and nothing is ever well. So is a look that has not
// seen everything.
func (r *Report) Cover(findings []source.Finding) {
	stores := map[string]bool{}
	for _, f := range findings {
		why := Reason{Severity: Warning, Code: StoreUncovered, Subject: f.Check, Text: fault.OneLine(f.Evidence + "; to do: " + f.Remedy)}
		switch {
		case f.Store != "" && stores[f.Store]:
			continue // it is used in several places
		case f.Store != "":
			stores[f.Store] = true
			why.Subject = f.Store
		case f.Unseen:
			why.Code = CoverageUnknown
		case f.Severity != source.Error:
			continue
		}
		r.Reasons = append(r.Reasons, why)
	}
	n := len(stores)
	r.UncoveredStores = &n
	r.settle()
}
