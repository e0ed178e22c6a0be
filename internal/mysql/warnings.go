package mysql

import "context"

// Codes of warnings in a manifest.
const (
	warnEngine     = "mysql.table.not-transactional"
	warnBrokenView = "mysql.view.broken"
	warnForeign    = "mysql.json.foreign-type"
	warnReturns    = "mysql.function.hidden-members"
	warnSwappable  = "mysql.table.swap-not-noticed"
	warnLagging    = "mysql.replica.lagging" // by so many seconds
	warnStopped    = "mysql.replica.stopped"
	warnLeftOut    = "mysql.table.left-out"
	warnFiltered   = "mysql.table.filtered"
	warnNoData     = "mysql.table.no-data"
)

// warning is one line of the sealed details: what a warning counts, by name.
type warning struct {
	Source  string `json:"source"`
	Warning string `json:"warning"`
	Object  string `json:"object"`
	Count   int64  `json:"count"`
}

// warn counts in the manifest, and names in the sealed details, what does not
// come back as it was, was not part of the snapshot, or is kept out of the
// point by the settings.
func (d *dump) warn(ctx context.Context) error {
	for _, list := range [][]warning{
		d.warnings(warnEngine, func(t *table) int64 { return one(t.Engine != engineInnoDB) }, nil),
		d.warnings(warnForeign, (*table).foreign, nil),
		d.warnings(warnBrokenView, nil, func(o *object) int64 { return one(o.Broken) }),
		d.warnings(warnReturns, nil, func(o *object) int64 { return one(o.hidden) }),
		d.warnings(warnFiltered, func(t *table) int64 { return one(t.Where != "") }, nil),
		d.warnings(warnNoData, func(t *table) int64 { return one(t.NoData) }, nil),
		d.leftOutWarnings(),
	} {
		sum := int64(0)
		for _, w := range list {
			if err := d.draft.Detail(w); err != nil {
				return err
			}
			sum += w.Count
		}
		if sum > 0 {
			d.draft.Warn(list[0].Warning, sum)
		}
	}
	for code, count := range map[string]int64{warnSwappable: swappable(d.schemas), warnLagging: d.snapshot.lag(), warnStopped: d.snapshot.stopped()} {
		if count > 0 {
			d.draft.Warn(code, count)
		}
	}
	return nil
}

// warnings asks each table, or each other object, for how often a warning holds.
func (d *dump) warnings(code string, ofTable func(*table) int64, ofObject func(*object) int64) (list []warning) {
	add := func(name string, n int64) {
		if n > 0 {
			list = append(list, warning{d.server.name, code, name, n})
		}
	}
	for _, schema := range d.schemas {
		for i := range schema.Tables {
			if ofTable != nil {
				add(schema.Name+"."+schema.Tables[i].Name, ofTable(&schema.Tables[i]))
			}
		}
		for _, o := range schema.objects() {
			if ofObject != nil {
				add(schema.Name+"."+o.Name, ofObject(&o))
			}
		}
	}
	return list
}

func (d *dump) leftOutWarnings() (list []warning) {
	for _, schema := range d.schemas {
		for _, name := range schema.LeftOut {
			list = append(list, warning{d.server.name, warnLeftOut, schema.Name + "." + name, 1})
		}
	}
	return list
}

func one(holds bool) int64 {
	if holds {
		return 1
	}
	return 0
}

// foreign counts the documents that do not come back with all their types.
func (t *table) foreign() (n int64) {
	for i := range t.Chunks {
		n += t.Chunks[i].Foreign
	}
	return n
}
