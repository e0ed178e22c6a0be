package repository

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Wrapped says for whom some run keys are wrapped, as the run knew it that says
// so: its own keys from having wrapped them, those of earlier runs from what these
// have said. The key of a drill stands apart, since a pruner takes its wraps of
// older points away.
type Wrapped struct {
	Keys []string `json:"keys"`
	// Operators are the fingerprints of the recipients who must have a wrap of
	// each of the keys.
	Operators []string `json:"operators"`
	// Drill is the fingerprint of a recipient who may have one.
	Drill string `json:"drill,omitempty"`
}

// wrapBook is what a run knows of keys, its own and those it relies on: for whom
// each is wrapped.
type wrapBook map[string]Wrapped

// learn takes over what a run has said that began at some time, without who has
// left since.
func (b wrapBook) learn(said []Wrapped, began time.Time, left departures) {
	for _, w := range said {
		w.Operators = left.remaining(w.Operators, began)
		for _, key := range w.Keys {
			b[key] = w
		}
	}
}

// add notes that a key was wrapped for the recipients of a writer.
func (b wrapBook) add(key string, o WriterOptions) {
	var w Wrapped
	for _, r := range o.Recipients {
		w.Operators = append(w.Operators, r.Fingerprint())
	}
	slices.Sort(w.Operators)
	if o.Drill != nil {
		w.Drill = o.Drill.Fingerprint()
	}
	b[key] = w
}

// of says what is known of some keys. Those with the same recipients stand
// together, since a point may rely on the packs of very many runs.
func (b wrapBook) of(keys ...string) []Wrapped {
	groups := map[string]*Wrapped{}
	for _, key := range keys {
		w, known := b[key]
		if !known {
			continue // an earlier version has made it
		}
		recipients := w.Drill + " " + strings.Join(w.Operators, " ")
		if groups[recipients] == nil {
			groups[recipients] = &Wrapped{Operators: w.Operators, Drill: w.Drill}
		}
		groups[recipients].Keys = append(groups[recipients].Keys, key)
	}
	var all []Wrapped
	for _, w := range groups {
		slices.Sort(w.Keys)
		all = append(all, *w)
	}
	slices.SortFunc(all, func(a, b Wrapped) int { return cmp.Compare(a.Keys[0], b.Keys[0]) })
	return all
}

// departures says by fingerprint when an operator's wraps were taken away, of
// every key that there was.
type departures map[string]time.Time

// owedWraps is who must have a wrap of which key: by key, fingerprints.
type owedWraps map[string]map[string]bool

// judge adds what follows from one manifest: those have to have a wrap of the keys
// that it needs for whom it says that they are wrapped, but for whoever has left
// since its run began. Points of earlier versions say nothing, and what they alone
// need is owed to nobody.
func (o owedWraps) judge(m *Manifest, left departures) {
	needed := m.runKeys()
	for _, w := range m.Keys.Wrapped {
		for _, key := range w.Keys {
			if !slices.Contains(needed, key) {
				continue
			}
			for _, holder := range left.remaining(w.Operators, m.Started) {
				o.add(key, holder)
			}
		}
	}
}

func (o owedWraps) add(key, holder string) {
	if o[key] == nil {
		o[key] = map[string]bool{}
	}
	o[key][holder] = true
}
