package mysql

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/quantity"
)

// Parts says for people what the settings kept out of a point, from what its
// manifest holds in the clear. It returns nil for a point that holds all.
func Parts(captured json.RawMessage) []string {
	var c Captured
	if json.Unmarshal(captured, &c) != nil {
		return nil // of a version that says it in another way
	}
	return c.parts()
}

func (c *Captured) parts() []string {
	var parts []string
	for _, schema := range c.Schemas {
		if n := len(schema.LeftOut); n > 0 {
			parts = append(parts, fmt.Sprintf("schema %s: %s left out: %s", schema.Name, quantity.Count(n, "table or view is", "tables and views are"), strings.Join(schema.LeftOut, ", ")))
		}
		for _, t := range schema.Tables {
			switch {
			case t.NoData:
				parts = append(parts, fmt.Sprintf("table %s.%s: without its rows", schema.Name, t.Name))
			case t.Filtered:
				parts = append(parts, fmt.Sprintf("table %s.%s: only rows that fulfil a where-clause", schema.Name, t.Name))
			}
		}
	}
	return parts
}

// part says why rows of a table may not be in the point; empty: they all are.
func (d *schemaDefinition) part(name string) string {
	if slices.Contains(d.LeftOut, name) {
		return "is left out"
	}
	for i := range d.Tables {
		switch t := &d.Tables[i]; {
		case t.Name != name:
		case t.NoData:
			return "comes without its rows"
		case t.Where != "":
			return "comes with some of its rows"
		}
	}
	return ""
}

// partWarnings are what a restore of a part cannot make whole.
func (p *schemaPlan) partWarnings() []string {
	var all []string
	for i := range p.Tables {
		t := &p.Tables[i]
		parts, err := parseCreateTable(t.Create)
		if err != nil {
			continue // creating it says so
		}
		for _, key := range parts.foreignKeys {
			schema, name := reference(key)
			if why := p.part(name); why != "" && schema == "" {
				all = append(all, fmt.Sprintf("table %s.%s refers to table %s, which %s: its rows may refer to nothing", p.Name, t.Name, name, why))
			}
		}
	}
	return all
}
