package mysql

import (
	"context"
	"slices"
)

// usage is something that a view refers to.
type usage struct{ schema, name string }

// viewUsage asks what each view of the schema refers to, of what exists. It
// returns nil before 8.0.13, which cannot tell: views are then created in
// whatever order works.
func (c *catalog) viewUsage(ctx context.Context, d *schemaDefinition) (map[string][]usage, error) {
	records, err := queryRecords(ctx, c.conn, "SELECT VIEW_NAME AS name, TABLE_SCHEMA AS place, TABLE_NAME AS needs"+
		" FROM information_schema.VIEW_TABLE_USAGE WHERE VIEW_SCHEMA = "+quoteText(d.Name))
	if isServer(err, erUnknownTable) {
		return nil, nil // not known is an answer
	}
	if err != nil {
		return nil, err
	}
	needs := map[string][]usage{}
	for _, r := range records {
		needs[r.text("name")] = append(needs[r.text("name")], usage{r.text("place"), r.text("needs")})
	}
	return needs, nil
}

// orderViews puts each view behind those that it refers to.
func (d *schemaDefinition) orderViews(needs map[string][]usage) {
	views := map[string]object{}
	for _, view := range d.Views {
		views[view.Name] = view
	}
	var ordered []object
	var visit func(name string)
	visit = func(name string) {
		view, open := views[name]
		if !open {
			return // a table, or a view that has its place
		}
		delete(views, name)
		for _, needed := range needs[name] {
			if needed.schema == d.Name {
				visit(needed.name)
			}
		}
		ordered = append(ordered, view)
	}
	for _, view := range d.Views {
		visit(view.Name)
	}
	d.Views = ordered
}

// markBroken finds views that refer to something which is not captured, and
// the views that refer to those: where the point is restored, they are broken.
func (c *catalog) markBroken(d *schemaDefinition, needs map[string][]usage) {
	if c.choose == nil {
		return
	}
	broken := map[string]bool{}
	for i := range d.Views { // in the order of dependence
		view := &d.Views[i]
		if slices.ContainsFunc(needs[view.Name], func(u usage) bool {
			if isSystemSchema(u.schema) {
				return false
			}
			return !c.choose.schema(u.schema) || !c.choose.table(u.schema, u.name) || u.schema == d.Name && broken[u.name]
		}) {
			view.Broken = true
		}
		broken[view.Name] = view.Broken
	}
}
