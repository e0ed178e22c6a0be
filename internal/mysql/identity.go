package mysql

import (
	"context"
	"regexp"
	"strings"

	"github.com/openim-dr/openim-dr/internal/seal"
)

// plainSchemaName is a name that InnoDB's own tables spell unchanged.
var plainSchemaName = regexp.MustCompile(`^[0-9A-Za-z_]+$`)

// readIdentities fetches the numbers by which InnoDB knows the tables: two
// tables of the same definition that swap names differ in nothing else. It
// needs the privilege PROCESS; without it the time of creation has to do.
func (c *catalog) readIdentities(ctx context.Context, d *schemaDefinition) error {
	prefix := strings.ReplaceAll(d.Name, "_", `\_`)
	if !plainSchemaName.MatchString(d.Name) {
		// InnoDB spells it in a file name's way, with @ for what is not plain.
		// Schemas that are spelled alike are all taken: better a change of
		// another one fails the dump than that one of this goes unnoticed.
		prefix = "%@%"
	}
	records, err := queryRecords(ctx, c.conn, "SELECT NAME AS name, TABLE_ID AS id FROM information_schema.INNODB_TABLES WHERE NAME LIKE "+quoteText(prefix+"/%")+" ORDER BY NAME")
	if isDenied(err) {
		return nil
	}
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("seen\n")
	for _, r := range records {
		_, name, _ := strings.Cut(r.text("name"), "/")
		if strings.HasPrefix(strings.ToLower(name), "fts_") || strings.HasPrefix(name, "#sql") {
			continue // the server's own
		}
		if table, _, _ := strings.Cut(name, "#"); c.choose != nil && !c.choose.table(d.Name, table) {
			continue // what is left out may come and go
		}
		b.WriteString(r.text("name") + "=" + r.text("id") + "\n")
	}
	d.innodb = b.String()
	return nil
}

// swappable counts the tables whose rows could become those of another one
// unnoticed: where InnoDB's numbers cannot be seen, those that were created in
// the same second with the same columns, and those that have partitions.
func swappable(schemas []*schemaDefinition) int64 {
	alike, n := map[string]int64{}, int64(0)
	for _, d := range schemas {
		for i := range d.Tables {
			t := &d.Tables[i]
			switch {
			case d.innodb != "":
			case strings.Contains(string(t.Create), "\n/*!50100 PARTITION BY") || strings.Contains(string(t.Create), "\n/*!50500 PARTITION BY"):
				n++
			default:
				alike[t.created+"\n"+strings.Join(columnNames(t.Columns), "\n")]++
			}
		}
	}
	for _, together := range alike {
		if together > 1 {
			n += together
		}
	}
	return n
}

// autoIncrement is the next number of a table. It moves with every insert and
// is no part of the definition.
var autoIncrement = regexp.MustCompile(`\) ENGINE=([^\n]*?) AUTO_INCREMENT=(\d+)`)

// withoutAutoIncrement cuts the next number out of a SHOW CREATE TABLE.
func withoutAutoIncrement(create sqlText) string {
	text := string(create)
	at := autoIncrement.FindAllStringSubmatchIndex(text, -1)
	if at == nil {
		return text
	}
	last := at[len(at)-1] // a comment before it may look the same
	return text[:last[3]] + text[last[5]:]
}

// identities maps everything that is defined to a text that changes when it does.
func identities(schemas []*schemaDefinition) map[string]string {
	all := map[string]string{}
	for _, d := range schemas {
		all["schema "+d.Name] = d.CharacterSet + "\n" + d.Collation + "\n" + d.innodb
		for i := range d.Tables {
			t := &d.Tables[i]
			all["table "+d.Name+"."+t.Name] = t.created + "\n" + withoutAutoIncrement(t.Create)
		}
		for _, o := range d.objects() {
			all[strings.ToLower(o.Type)+" "+d.Name+"."+o.Name] = o.canonical()
		}
	}
	return all
}

// canonical is the object's definition with all that it depends on.
func (o *object) canonical() string {
	return strings.Join([]string{
		o.Type, o.Name, o.Table, o.Definer, o.SQLMode, modern(o.CharacterSet), modern(o.Collation), modern(o.SchemaCollation), o.TimeZone, modern(string(o.Create)),
	}, "\n")
}

// canonical is the table's definition with what a restore may give in another
// order, keys and constraints, in an order of its own.
func (t *table) canonical() string {
	parts, err := parseCreateTable(t.Create)
	if err != nil {
		return modern(withoutAutoIncrement(t.Create)) + t.histogramText()
	}
	return modern(parts.canonical()) + t.histogramText()
}

// digestText digests a definition.
func digestText(key seal.DigestKey, text string) seal.Digest {
	hasher := seal.NewHasher(key)
	if _, err := hasher.Write([]byte(text)); err != nil {
		panic(err) // a hash never fails to take bytes
	}
	return hasher.Sum()
}

// digestDefinitions is what a plain file may say of a schema's definitions.
func digestDefinitions(key seal.DigestKey, d *schemaDefinition) seal.Digest {
	var sum seal.Digest
	for i := range d.Tables {
		sum.Add(digestText(key, "TABLE\n"+d.Tables[i].Name+"\n"+d.Tables[i].canonical()))
	}
	for _, o := range d.objects() {
		sum.Add(digestText(key, o.canonical()))
	}
	return sum
}
