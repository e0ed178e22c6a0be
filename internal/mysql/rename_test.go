package mysql

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/source"
)

// Who names what is not there is told of what is, and not of all.
func TestWhatThereIs(t *testing.T) {
	tables := func(names ...string) (all []CapturedTable) {
		for _, name := range names {
			all = append(all, CapturedTable{Name: name})
		}
		return all
	}
	app := CapturedSchema{Name: "app", Tables: tables("a", "b", "c", "d", "x.y", "z")}
	empty := CapturedSchema{Name: "empty"}
	tests := map[string]struct {
		schemas, meant []CapturedSchema
		want           string
	}{
		"tables of what was meant": {[]CapturedSchema{app, empty}, []CapturedSchema{app}, "app.a; app.b; app.c; app.d; app.`x.y`; and 1 more"},
		"it has none":              {[]CapturedSchema{app, empty}, []CapturedSchema{empty}, "the schemas app; empty"},
		"nothing was meant":        {[]CapturedSchema{app, empty}, nil, "the schemas app; empty"},
		"nothing at all":           {nil, nil, "no schema"},
	}
	for name, tt := range tests {
		if got := whatThereIs(tt.schemas, tt.meant); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
	recorded := &Captured{Schemas: []CapturedSchema{app, empty}}
	for pattern, want := range map[string]string{"app.lost": "app.a; app.b; app.c; app.d; app.`x.y`; and 1 more", "apq.a": "the schemas app; empty", "apq": "the schemas app; empty"} {
		if got := whatThereIs(recorded.Schemas, recorded.meant([]string{pattern})); got != want {
			t.Errorf("%s: got %q, want %q", pattern, got, want)
		}
	}
	s := newServer(t, account{"127.0.0.1:1", "u", "p"}, nil, "app")
	_, err := s.readRenames(source.Selection{Include: []string{"*"}, Rename: map[string]string{"app.e": "f"}}, &Captured{Schemas: []CapturedSchema{app}})
	if e, ok := fault.Outermost(err); !ok || !strings.HasSuffix(e.Try, "; the point holds app.a; app.b; app.c; app.d; app.`x.y`; and 1 more") {
		t.Errorf("got %+v", err)
	}
}

func TestRenamesAreRead(t *testing.T) {
	point := &Captured{Schemas: []CapturedSchema{
		{Name: "app", Tables: []CapturedTable{{Name: "t"}, {Name: "x.y"}, {Name: "back`quote"}}},
		{Name: "dot.ted", Tables: []CapturedTable{{Name: "t"}}},
		{Name: "dot", Tables: []CapturedTable{{Name: "ted"}}},
	}}
	type names = map[string]string
	table := func(schema, name string) tableName { return tableName{schema, name} }
	tests := map[string]struct {
		rename  names
		schemas names
		tables  map[tableName]tableName
		says    string // of the refusal
	}{
		"nothing":                           {},
		"a schema":                          {rename: names{"app": "copy"}, schemas: names{"app": "copy"}},
		"a schema with a dot":               {rename: names{"`dot.ted`": "`co.py`"}, schemas: names{"dot.ted": "co.py"}},
		"a table":                           {rename: names{"app.t": "t2"}, tables: map[tableName]tableName{table("app", "t"): table("", "t2")}},
		"a table into another schema":       {rename: names{"app.t": "other.t"}, tables: map[tableName]tableName{table("app", "t"): table("other", "t")}},
		"a table with a dot":                {rename: names{"app.`x.y`": "`z.z`"}, tables: map[tableName]tableName{table("app", "x.y"): table("", "z.z")}},
		"a table of a schema with a dot":    {rename: names{"`dot.ted`.t": "`o.o`.`p.p`"}, tables: map[tableName]tableName{table("dot.ted", "t"): table("o.o", "p.p")}},
		"a backquote":                       {rename: names{"`app`.`back``quote`": "`a``b`"}, tables: map[tableName]tableName{table("app", "back`quote"): table("", "a`b")}},
		"quoted for no reason":              {rename: names{"`app`.`t`": "`o`.`t`"}, tables: map[tableName]tableName{table("app", "t"): table("o", "t")}},
		"other characters":                  {rename: names{"app": "a b-c'\"$ä"}, schemas: names{"app": "a b-c'\"$ä"}},
		"a schema or a table":               {rename: names{"dot.ted": "x"}, says: "schema \"dot.ted\" has a dot in its name: `dot.ted` names the schema, and a table is named `dot`.`ted`"},
		"the table, quoted":                 {rename: names{"`dot`.ted": "x"}, tables: map[tableName]tableName{table("dot", "ted"): table("", "x")}},
		"many dots":                         {rename: names{"app.x.y": "z"}, says: "more than one dot"},
		"many dots in the new name":         {rename: names{"app.t": "a.b.c"}, says: "more than one dot"},
		"a schema that becomes a table":     {rename: names{"app": "a.b"}, says: "a schema takes the name of a schema"},
		"a schema that the point lacks":     {rename: names{"gone": "x"}, says: `the point holds no schema "gone"`},
		"a schema of a table that it lacks": {rename: names{"gone.t": "x"}, says: `the point holds no schema "gone"`},
		"a table that the point lacks":      {rename: names{"app.gone": "x"}, says: `the point holds no table "gone" in schema "app"`},
		"upper case":                        {rename: names{"App": "x"}, says: "no schema"},
		"the server's own schema":           {rename: names{"app": "MySQL"}, says: "belongs to the server itself"},
		"into the server's own schema":      {rename: names{"app.t": "sys.t"}, says: "belongs to the server itself"},
		"a table called like it":            {rename: names{"app.t": "mysql"}, tables: map[tableName]tableName{table("app", "t"): table("", "mysql")}},
		"an empty name":                     {rename: names{"app.": "x"}, says: "a name is empty"},
		"an empty quotation":                {rename: names{"app": "``"}, says: "a name is empty"},
		"nothing before the dot":            {rename: names{"app.t": ".x"}, says: "a name is empty"},
		"an open backquote":                 {rename: names{"app": "`x"}, says: "is not closed"},
		"a backquote in the middle":         {rename: names{"app": "x`y"}, says: "in the middle of a name"},
		"words behind a quotation":          {rename: names{"app": "`x`y"}, says: "in the middle of a name"},
		"a name that is too long":           {rename: names{"app": strings.Repeat("ä", 65)}, says: "more than 64 characters"},
		"as long as can be":                 {rename: names{"app": strings.Repeat("ä", 64)}, schemas: names{"app": strings.Repeat("ä", 64)}},
		"a space at the end":                {rename: names{"app": "x "}, says: "ends with a space"},
		"bytes that are no text":            {rename: names{"app": "\xff"}, says: "no name may hold"},
	}
	s := newServer(t, account{"127.0.0.1:1", "u", "p"}, nil, "app")
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := s.readRenames(source.Selection{Include: []string{"*"}, Rename: tt.rename}, point)
			if tt.says != "" {
				requireRefusal(t, err, tt.says)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(tt.schemas)+len(got.schemas) > 0 {
				if diff := cmp.Diff(tt.schemas, got.schemas); diff != "" {
					t.Errorf("schemas (-want +got):\n%s", diff)
				}
			}
			if len(tt.tables)+len(got.tables) > 0 {
				if diff := cmp.Diff(tt.tables, got.tables, cmp.AllowUnexported(tableName{})); diff != "" {
					t.Errorf("tables (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// Whoever renames one table, and chooses nothing, would have all the rest
// restored over what is there.
func TestRenamedTableIsChosen(t *testing.T) {
	point := &Captured{Schemas: []CapturedSchema{{Name: "app", Tables: []CapturedTable{{Name: "a.b*"}}}}}
	s := newServer(t, account{"127.0.0.1:1", "u", "p"}, nil, "app")
	_, err := s.readRenames(source.Selection{Rename: map[string]string{"app.`a.b*`": "c"}}, point)
	requireRefusal(t, err, "all the rest of source main would be restored")
	if e, _ := fault.Outermost(err); !strings.Contains(tryOf(e), `--include 'main/app.a\.b\*'`) {
		t.Errorf("hint %q, want the pattern of the table", tryOf(e))
	}
}

func TestNamesOfConstraints(t *testing.T) {
	long := strings.Repeat("n", 60)
	tests := map[string]struct {
		table, copied, old string
		taken              []string
		want               string
	}{
		"one that the server made":              {"t", "t2", "t_ibfk_1", nil, "t2_ibfk_1"},
		"a check that the server made":          {"t", "t2", "t_chk_12", nil, "t2_chk_12"},
		"one that looks alike":                  {"t", "t2", "t_ibfk_x", nil, "t2_t_ibfk_x"},
		"one of another table":                  {"t", "t2", "tt_ibfk_1", nil, "t2_tt_ibfk_1"},
		"one that somebody named":               {"t", "t2", "fk", nil, "t2_fk"},
		"a name that is taken":                  {"t", "t2", "fk", []string{"t2_fk"}, "t2_fk_2"},
		"taken in another case":                 {"t", "t2", "FK", []string{"t2_fk", "t2_fk_2"}, "t2_FK_3"},
		"a long one":                            {"t", long, "constraint", nil, strings.Repeat("n", 55) + "_" + "f4838d07"},
		"the same table in another schema":      {"t", "t", "fk", nil, "fk"},
		"the same, where its name is taken":     {"t", "t", "fk", []string{"fk"}, "t_fk"},
		"the same, with a name of the server's": {"t", "t", "t_ibfk_1", []string{"t_ibfk_1"}, "t_ibfk_1_2"},
	}
	for name, tt := range tests {
		taken := map[string]bool{}
		for _, n := range tt.taken {
			taken[n] = true
		}
		one := &table{Name: tt.copied, captured: tt.table, copied: true}
		got := one.freeName(tt.old, taken)
		if got != tt.want {
			t.Errorf("%s: constraint %s of %s becomes %s, want %s", name, tt.old, tt.table, got, tt.want)
		}
		if !taken[strings.ToLower(got)] || len([]rune(got)) > maxName {
			t.Errorf("%s: %s is not taken, or too long", name, got)
		}
	}
}

func TestReferencesAreRewritten(t *testing.T) {
	for from, tt := range map[string]struct {
		to   tableName
		want string
	}{
		"CONSTRAINT `f` FOREIGN KEY (`a`) REFERENCES `p` (`id`) ON DELETE CASCADE":   {tableName{"", "q`"}, "CONSTRAINT `f` FOREIGN KEY (`a`) REFERENCES `q``` (`id`) ON DELETE CASCADE"},
		"CONSTRAINT `f` FOREIGN KEY (`a`) REFERENCES `s`.`p` (`id`)":                 {tableName{"", "p"}, "CONSTRAINT `f` FOREIGN KEY (`a`) REFERENCES `p` (`id`)"},
		"CONSTRAINT `) REFERENCES` FOREIGN KEY (`a`) REFERENCES `p` (`id`, `REFS` )": {tableName{"s", "p"}, "CONSTRAINT `) REFERENCES` FOREIGN KEY (`a`) REFERENCES `s`.`p` (`id`, `REFS` )"},
	} {
		if got := referTo(from, tt.to); got != tt.want {
			t.Errorf("%s\nbecomes %s\nwant    %s", from, got, tt.want)
		}
	}
}
