package mysql

import (
	"cmp"

	"github.com/openim-dr/openim-dr/internal/seal"
)

// Types of objects, as SHOW CREATE spells them.
const (
	typeView      = "VIEW"
	typeProcedure = "PROCEDURE"
	typeFunction  = "FUNCTION"
	typeTrigger   = "TRIGGER"
	typeEvent     = "EVENT"
)

// definitionFile is the file of a schema that the loader reads; schema.sql and
// post.sql say the same to a person.
const definitionFile = "tables.json"

// schemaDefinition is everything that a schema consists of but the rows, and
// where those are. It stands sealed in the point, one file per schema.
type schemaDefinition struct {
	Version      int      `json:"version"`
	Name         string   `json:"name"`
	CharacterSet string   `json:"characterSet"`
	Collation    string   `json:"collation"`
	Encrypted    bool     `json:"encrypted,omitempty"`
	Tables       []table  `json:"tables"`
	Routines     []object `json:"routines,omitempty"`
	Views        []object `json:"views,omitempty"`
	Triggers     []object `json:"triggers,omitempty"` // in the order of creation
	Events       []object `json:"events,omitempty"`
	// LeftOut names tables and views that were there, and that the settings
	// leave out.
	LeftOut []string `json:"leftOut,omitempty"`

	innodb string // InnoDB's own numbers of the tables, where they may be seen
}

// definitionVersion is raised when the meaning of a field changes.
const definitionVersion = 1

// table is one base table, with the way its rows are read and loaded.
type table struct {
	Name    string   `json:"name"`
	Engine  string   `json:"engine"`
	Create  sqlText  `json:"create"` // as SHOW CREATE TABLE prints it
	Columns []column `json:"columns"`
	Key     *key     `json:"key,omitempty"` // nil: the table is read in one stream
	// Where is the condition that the captured rows fulfil; empty: all rows.
	Where string `json:"where,omitempty"`
	// NoData says that no row was captured, whether there are any or not.
	NoData bool    `json:"noData,omitempty"`
	Total  total   `json:"total"`
	Chunks []chunk `json:"chunks"`
	// Stored is about what the table took on the source's disk, indexes included.
	Stored int64 `json:"stored,omitempty"`

	Histograms []histogram `json:"histograms,omitempty"`

	estimatedRows, estimatedBytes int64
	created                       string
	keyIndex                      string // the index that the settings want it to be cut by
	keyFault                      string // why that will not do

	hidden []string // ENUM and SET columns whose members SHOW CREATE TABLE may not show

	captured string // its name in the point, where that is another; see inPoint
	copied   bool   // it is restored beside the table that it is a copy of
}

// inPoint is the table's name in the point.
func (t *table) inPoint() string { return cmp.Or(t.captured, t.Name) }

// ownsRows reports whether the rows that the table shows are its own, and not
// those of other tables or of another server.
func (t *table) ownsRows() bool { return t.Engine != engineMerge && t.Engine != "FEDERATED" }

// total is what a set of rows sums up to.
type total struct {
	Rows   int64       `json:"rows"`
	Bytes  int64       `json:"bytes"` // of the rows as TSV
	Digest seal.Digest `json:"digest"`
}

func (t *total) add(other total) {
	t.Rows += other.Rows
	t.Bytes += other.Bytes
	t.Digest.Add(other.Digest)
}

// chunk is one file of rows. It is loaded in one transaction.
type chunk struct {
	File string `json:"file"`
	total
	// Warnings is how many the server gives when the chunk is loaded: one for
	// each ENUM that holds the error value, which cannot be had without.
	Warnings int64 `json:"warnings,omitempty"`
	// Foreign is how many JSON documents hold a value whose type a load cannot
	// give back.
	Foreign int64 `json:"foreign,omitempty"`
}

// object is a view, routine, trigger or event, with the session in which it
// was created: that is part of what it means.
type object struct {
	Type            string  `json:"type"`
	Name            string  `json:"name"`
	Table           string  `json:"table,omitempty"` // of a trigger
	Create          sqlText `json:"create"`
	Definer         string  `json:"definer"`
	SQLMode         string  `json:"sqlMode,omitempty"`
	CharacterSet    string  `json:"characterSet"`
	Collation       string  `json:"collation"`
	SchemaCollation string  `json:"schemaCollation,omitempty"`
	TimeZone        string  `json:"timeZone,omitempty"` // of an event
	Broken          bool    `json:"broken,omitempty"`   // a view that refers to something that is gone

	orphan bool // its definer is not at the target, and it is created all the same
	hidden bool // it returns an ENUM or SET whose members the server does not show as they are
}

func (d *schemaDefinition) byName() map[string]*table {
	tables := make(map[string]*table, len(d.Tables))
	for i := range d.Tables {
		tables[d.Tables[i].Name] = &d.Tables[i]
	}
	return tables
}

// objects returns everything that is created after the rows, in an order that
// works: what a routine refers to is not looked up when it is created, and
// triggers and events must not act on the load.
func (d *schemaDefinition) objects() []object {
	all := make([]object, 0, len(d.Routines)+len(d.Views)+len(d.Triggers)+len(d.Events))
	all = append(all, d.Routines...)
	all = append(all, d.Views...)
	all = append(all, d.Triggers...)
	return append(all, d.Events...)
}

func (d *schemaDefinition) total() total {
	var sum total
	for i := range d.Tables {
		sum.add(d.Tables[i].Total)
	}
	return sum
}
