package config

import (
	"errors"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/quantity"
)

// Assertion is something that is expected of a restored copy. Exactly one of
// SQL, Newest, RowsDrop and Command says what.
type Assertion struct {
	Name   string `yaml:"name" jsonschema_description:"name of the assertion in proofs, where anybody can read it"`
	Source string `yaml:"source,omitempty" jsonschema_description:"the source whose copy is looked at; with rowsDrop default all"`

	SQL  string  `yaml:"sql,omitempty" jsonschema_description:"a query that returns one value"`
	Want *string `yaml:"want,omitempty" jsonschema_description:"with sql: the value as text; default anything but 0, an empty text and NULL"`

	Newest Column            `yaml:"newest,omitempty" jsonschema_description:"SCHEMA.TABLE.COLUMN of a time: its newest value is how old the data of the copy is"`
	Within quantity.Duration `yaml:"within,omitempty" jsonschema_description:"with newest: how long before the capture it may be at most"`

	Zone string `yaml:"zone,omitempty" jsonschema_description:"with newest: IANA zone in which a DATETIME column is written, such as Asia/Shanghai; default UTC"`

	RowsDrop *quantity.Percent `yaml:"rowsDrop,omitempty" jsonschema_description:"share of its rows by which a table may have shrunk since the proof before"`

	Command []string          `yaml:"command,omitempty" jsonschema_description:"a program and its arguments that gets the addresses of the scratch servers in its environment; no shell reads them"`
	Image   string            `yaml:"image,omitempty" jsonschema_description:"with command: the image in which it runs; default the machine itself"`
	Timeout quantity.Duration `yaml:"timeout,omitempty" jsonschema_description:"with command: longest time that it may take; default 10m, at most 12h"`
}

// Bounds of a command.
const (
	minAssertionTimeout = quantity.Duration(time.Second)
	maxAssertionTimeout = quantity.Duration(12 * time.Hour)
)

func (d *decoder) validateAssertion(key string, a Assertion, c *Config) {
	if a.Name == "" {
		d.problem(key, "an assertion needs a name")
	}
	kinds := 0
	for _, is := range []bool{a.SQL != "", !a.Newest.IsZero(), a.RowsDrop != nil, len(a.Command) > 0} {
		if is {
			kinds++
		}
	}
	if kinds != 1 {
		d.problem(key, "it needs exactly one of sql, newest, rowsDrop and command")
		return
	}
	switch {
	case a.SQL != "" || !a.Newest.IsZero():
		d.validateDatabase(child(key, "source"), a.Source, c)
	case a.RowsDrop != nil && a.Source != "":
		d.validateDatabase(child(key, "source"), a.Source, c)
	}
	d.validateCompanions(key, a)
}

// validateCompanions refuses keys that would do nothing: whoever writes them
// believes that they assert something.
func (d *decoder) validateCompanions(key string, a Assertion) {
	command := len(a.Command) > 0
	switch {
	case a.Want != nil && a.SQL == "":
		d.problem(child(key, "want"), "it goes with sql")
	case a.Newest.IsZero() && a.Within != 0:
		d.problem(child(key, "within"), "it goes with newest")
	case a.Newest.IsZero() && a.Zone != "":
		d.problem(child(key, "zone"), "it goes with newest")
	case !isZone(a.Zone):
		d.problem(child(key, "zone"), "it is no IANA time zone such as Asia/Shanghai")
	case !a.Newest.IsZero() && a.Within <= 0:
		d.problem(key, "newest needs within beside it, and more than nothing")
	case !command && a.Image != "":
		d.problem(child(key, "image"), "it goes with command")
	case !command && a.Timeout != 0:
		d.problem(child(key, "timeout"), "it goes with command")
	case command && a.Source != "":
		d.problem(child(key, "source"), "a command gets the addresses of all scratch servers")
	case command && a.Command[0] == "":
		d.problem(child(key, "command"), "it begins with no program")
	}
	d.validateBetween(child(key, "timeout"), a.Timeout, minAssertionTimeout, maxAssertionTimeout)
}

func isZone(name string) bool {
	_, err := time.LoadLocation(name)
	return err == nil
}

// Column is the name of a column of a table.
type Column struct{ Schema, Table, Name string }

var errColumn = errors.New(`it is not SCHEMA.TABLE.COLUMN; a backslash stands before a dot that belongs to a name`)

// IsZero reports whether it names nothing.
func (c Column) IsZero() bool { return c == Column{} }

// String returns what UnmarshalText reads.
func (c Column) String() string {
	quote := strings.NewReplacer(`\`, `\\`, ".", `\.`).Replace
	return quote(c.Schema) + "." + quote(c.Table) + "." + quote(c.Name)
}

// MarshalText returns String.
func (c Column) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads SCHEMA.TABLE.COLUMN, in which a backslash takes the
// meaning from what follows it, as in patterns of tables.
func (c *Column) UnmarshalText(text []byte) error {
	parts := []string{""}
	escaped := false
	for _, r := range string(text) {
		last := &parts[len(parts)-1]
		switch {
		case escaped:
			*last += string(r)
			escaped = false
		case r == '\\':
			escaped = true
		case r == '.':
			parts = append(parts, "")
		default:
			*last += string(r)
		}
	}
	if escaped || len(parts) != 3 || parts[0] == "" || parts[1] == "" || parts[2] == "" {
		return errColumn
	}
	*c = Column{parts[0], parts[1], parts[2]}
	return nil
}
