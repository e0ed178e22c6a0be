package mysql

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// histogram is a statistic of a column's values that somebody asked for. Its
// buckets are not captured: the target gathers them anew.
type histogram struct {
	Column  string `json:"column"`
	Buckets int64  `json:"buckets"`
	Auto    bool   `json:"auto,omitempty"` // ANALYZE TABLE gathers it again
}

// clause completes an ANALYZE TABLE.
func (h *histogram) clause() string {
	clause := fmt.Sprintf("UPDATE HISTOGRAM ON %s WITH %d BUCKETS", quoteName(h.Column), h.Buckets)
	if h.Auto {
		clause += " AUTO UPDATE" // never stated by a server that does not know it
	}
	return clause
}

func (c *catalog) readHistograms(ctx context.Context, d *schemaDefinition) error {
	records, err := queryRecords(ctx, c.conn, `SELECT TABLE_NAME AS tab, COLUMN_NAME AS name, HISTOGRAM->>'$."number-of-buckets-specified"' AS buckets, HISTOGRAM->>'$."auto-update"' AS auto`+
		" FROM information_schema.COLUMN_STATISTICS WHERE SCHEMA_NAME = "+quoteText(d.Name)+" ORDER BY TABLE_NAME, COLUMN_NAME")
	if err != nil {
		return err
	}
	tables := d.byName()
	for _, r := range records {
		if t := tables[r.text("tab")]; t != nil {
			t.Histograms = append(t.Histograms, histogram{Column: r.text("name"), Buckets: r.number("buckets"), Auto: r.text("auto") == "true"})
		}
	}
	return nil
}

// gatherHistograms comes after the rows. What is refused is no failure here:
// the comparison names the table.
func (l *load) gatherHistograms(ctx context.Context, schema *schemaPlan) error {
	for i := range schema.Tables {
		t := &schema.Tables[i]
		for h := range t.Histograms {
			statement := "ANALYZE TABLE " + quoteName(schema.target) + "." + quoteName(t.Name) + " " + t.Histograms[h].clause()
			if err := analyze(ctx, l.main, statement); err != nil {
				return fmt.Errorf("gather histogram of table %q: %w", t.Name, err)
			}
		}
	}
	return nil
}

// analyzeTries is how often an ANALYZE TABLE is given that the server refuses.
const analyzeTries = 5

// analyze runs an ANALYZE TABLE. That it has lost to the locks of other sessions
// the server says in a row of its result, and then it is given again.
func analyze(ctx context.Context, q querier, statement string) error {
	for try := 1; ; try++ {
		var records []record
		err := againAfterDeadlock(func() (err error) {
			records, err = queryRecords(ctx, q, statement)
			return err
		})
		refused := slices.ContainsFunc(records, func(r record) bool { return strings.EqualFold(r.text("msg_type"), "error") })
		if err != nil || !refused || try == analyzeTries {
			return err
		}
		if err := pause(ctx, pollInterval); err != nil {
			return err
		}
	}
}

// writeHistograms writes the same for people.
func (d *schemaDefinition) writeHistograms(w scriptWriter) {
	for i := range d.Tables {
		for h := range d.Tables[i].Histograms {
			w.add("\nANALYZE TABLE " + quoteName(d.Tables[i].Name) + " " + d.Tables[i].Histograms[h].clause() + ";\n")
		}
	}
}

// histogramText is the part of the table's canonical form that histograms are.
func (t *table) histogramText() string {
	var b strings.Builder
	for h := range t.Histograms {
		b.WriteString("\n" + t.Histograms[h].clause())
	}
	return b.String()
}
