package mysql

import (
	"fmt"
	"slices"
	"strings"
)

// column is one captured column. Read is the expression whose text stands in
// the chunks; Load, where it is not empty, makes the column's value from that
// text, which it names %s.
type column struct {
	Name    string `json:"name"`
	Type    string `json:"type"`
	Charset string `json:"charset,omitempty"`
	Read    string `json:"read"`
	Load    string `json:"load,omitempty"`
	// Plain does what Load does, at less cost, for a text that begins with
	// neither of the marks of a JSON document.
	Plain string `json:"plain,omitempty"`
}

// textTypes are sent as text and would be parsed by the driver according to the
// result's type; CONCAT makes them plain text. It prints a DOUBLE column with
// all the digits that it takes to read the same bits again, which it does not
// do for an expression. The year 0000 parsed and printed is 0, which would be
// loaded as 2000, and zeros in front would be lost. Other integers are none of
// these: parsing and printing them costs less than a CONCAT.
var textTypes = []string{"year", "double"}

// newColumn says how a column of a type is read and loaded; declared is
// the type with its length and attributes.
func newColumn(name, dataType, declared, charset string) column {
	c := column{Name: name, Type: dataType, Charset: charset, Read: quoteName(name)}
	switch {
	case slices.Contains(textTypes, dataType), strings.HasSuffix(declared, " zerofill"):
		c.Read = "CONCAT(" + quoteName(name) + ")"
	case dataType == "float":
		// By itself a FLOAT prints six digits. The product is a DOUBLE; it
		// prints 15 digits at least, more than tell two FLOATs apart. Adding
		// zero would lose the sign of -0.
		c.Read = "CONCAT(" + quoteName(name) + " * 1e0)"
	case dataType == "enum":
		// By number: the text of the error value 0 is '', which may also be a member.
		c.Read = "CONCAT(" + quoteName(name) + " + 0)"
		c.Load = "%s + 0"
	case dataType == "set":
		c.Read = "CONCAT(CAST(" + quoteName(name) + " AS UNSIGNED))"
		c.Load = "CAST(%s AS UNSIGNED)"
	case dataType == "json":
		c.Read, c.Load, c.Plain = readJSON(quoteName(name)), loadJSON(), plainJSON
	}
	return c
}

// loadFrom returns the expression that makes the column's value from text,
// itself an expression.
func (c *column) loadFrom(text string) string {
	if c.Load == "" {
		return text
	}
	return fmt.Sprintf(c.Load, text)
}

// loadVariable is loadFrom for a variable of LOAD DATA.
func (c *column) loadVariable(variable string) string {
	if c.Type == "json" {
		return wholeJSON(c.loadFrom(variable), variable)
	}
	return c.loadFrom(variable)
}

// loadOf is loadFrom for a text that is known to hold value.
func (c *column) loadOf(value []byte, text string) string {
	if c.Plain != "" && !isTyped(value) {
		return fmt.Sprintf(c.Plain, text)
	}
	return c.loadFrom(text)
}

// names returns the columns' names.
func columnNames(columns []column) []string {
	names := make([]string, len(columns))
	for i := range columns {
		names[i] = columns[i].Name
	}
	return names
}

// selectList returns the read expressions of all columns.
func selectList(columns []column) string {
	expressions := make([]string, len(columns))
	for i := range columns {
		expressions[i] = columns[i].Read
	}
	return strings.Join(expressions, ", ")
}
