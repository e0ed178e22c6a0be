package mysql

import (
	"strings"
	"testing"

	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

func TestOddKeys(t *testing.T) {
	const plain = "CREATE TABLE `p` (\n  `a` int,\n  `b` int,\n  PRIMARY KEY (`a`),\n  UNIQUE KEY `u` (`a`,`b`)\n) ENGINE=InnoDB"
	child := func(columns string) string {
		return "CREATE TABLE `c` (\n  `id` int,\n  PRIMARY KEY (`id`),\n  CONSTRAINT `f` FOREIGN KEY (`id`) REFERENCES `p` (" + columns + ")\n) ENGINE=InnoDB"
	}
	tests := map[string]struct {
		tables              []string
		foreignKey, keyless bool
	}{
		"a primary key is referred to":       {[]string{plain, child("`a`")}, false, false},
		"a whole unique key":                 {[]string{plain, child("`a`, `b`")}, false, false},
		"a part of a unique key":             {[]string{plain, child("`b`")}, true, false},
		"a table that is not there":          {[]string{child("`a`")}, false, false},
		"a table without a primary key":      {[]string{"CREATE TABLE `k` (\n  `a` int\n) ENGINE=InnoDB"}, false, true},
		"a table of another schema is there": {[]string{"CREATE TABLE `c` (\n  `id` int,\n  PRIMARY KEY (`id`),\n  CONSTRAINT `f` FOREIGN KEY (`id`) REFERENCES `x``y`.`p` (`b`)\n) ENGINE=InnoDB"}, false, false},
	}
	for name, tt := range tests {
		p := &schemaPlan{schemaDefinition: &schemaDefinition{Name: "s"}}
		for i, create := range tt.tables {
			p.Tables = append(p.Tables, table{Name: []string{"p", "c"}[(i+2-len(tt.tables))%2], Create: sqlText(create)})
		}
		if foreignKey, keyless := p.odd(); foreignKey != tt.foreignKey || keyless != tt.keyless {
			t.Errorf("%s: odd foreign key %v, no primary key %v", name, foreignKey, keyless)
		}
	}
	if schema, table := reference("CONSTRAINT `f) REFERENCES` FOREIGN KEY (`id`) REFERENCES `x``y`.`p.q` (`b`) ON DELETE CASCADE"); schema != "x`y" || table != "p.q" {
		t.Errorf("refers to %q.%q", schema, table)
	}
}

// Of what a definer takes, no more is asked for than the server wants.
func TestDefinerNeeds(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	origin, schema := env.OpenMySQL(t), env.NewSchema(t)
	run(t, origin, "CREATE TABLE "+schema+".t (a INT PRIMARY KEY)", "CREATE DEFINER = there@localhost VIEW "+schema+".v AS SELECT a FROM "+schema+".t")
	point := repotest.New(t).Capture(t, "main", Kind, newServer(t, rootOf(env), nil, schema))

	target := env.StartMySQL(t)
	db := target.Open(t)
	const basic = "SHOW_ROUTINE"
	tests := map[string]struct {
		global  string
		reads   bool // mysql.user
		there   string
		lacking string // empty: the restore works
	}{
		"nothing":                                {basic, true, "USAGE", "SET_ANY_DEFINER"},
		"a definer that exists":                  {basic + ", SET_ANY_DEFINER", true, "USAGE", ""},
		"a definer that may exist":               {basic + ", SET_ANY_DEFINER", false, "USAGE", "ALLOW_NONEXISTENT_DEFINER"},
		"a definer that does not exist":          {basic + ", SET_ANY_DEFINER", true, "", "ALLOW_NONEXISTENT_DEFINER"},
		"the right to have one that does not":    {basic + ", SET_ANY_DEFINER, ALLOW_NONEXISTENT_DEFINER", true, "", ""},
		"a definer that is a SYSTEM_USER":        {basic + ", SET_ANY_DEFINER", true, "SYSTEM_USER", "SYSTEM_USER"},
		"a SYSTEM_USER for another":              {basic + ", SET_ANY_DEFINER, SYSTEM_USER", true, "SYSTEM_USER", ""},
		"the old right for everything":           {basic + ", SUPER", true, "USAGE", ""},
		"the old right, and nobody of that name": {basic + ", SUPER, ALLOW_NONEXISTENT_DEFINER", true, "", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			run(t, db, "DROP DATABASE IF EXISTS "+schema, "DROP USER IF EXISTS there@localhost")
			if tt.there != "" {
				run(t, db, "CREATE USER there@localhost", "GRANT "+tt.there+" ON *.* TO there@localhost")
			}
			as := newAccount(t, db, target.Address, "ALL", tt.global, schema)
			if tt.reads {
				run(t, db, "GRANT SELECT ON mysql.* TO '"+as.user+"'@'%'")
			}
			s := newServer(t, as, nil, schema)
			plan, err := s.Plan(t.Context(), point, source.Selection{})
			if tt.lacking != "" {
				requireRefusal(t, err, "lacks "+tt.lacking+" on *.*")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			restoreAs(t, s, point, plan)
		})
	}
}

// A read-only target takes nothing, except from those whom it does not bind.
func TestReadOnlyTarget(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	origin, schema := env.OpenMySQL(t), env.NewSchema(t)
	run(t, origin, "CREATE TABLE "+schema+".t (a INT PRIMARY KEY)", "INSERT INTO "+schema+".t VALUES (1)")
	point := repotest.New(t).Capture(t, "main", Kind, newServer(t, rootOf(env), nil, schema))
	target := env.StartMySQL(t, "--read-only=ON")
	db := target.Open(t)
	bound := newServer(t, newAccount(t, db, target.Address, "ALL", "", schema), nil, schema)
	_, err := bound.Plan(t.Context(), point, source.Selection{})
	requireRefusal(t, err, "the target is read-only")

	free := newServer(t, newAccount(t, db, target.Address, "ALL", "CONNECTION_ADMIN", schema), nil, schema)
	plan, err := free.Plan(t.Context(), point, source.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	restoreAs(t, free, point, plan)

	run(t, db, "SET GLOBAL super_read_only = ON")
	_, err = free.Plan(t.Context(), point, source.Selection{})
	requireRefusal(t, err, "the target is read-only")
	run(t, db, "SET GLOBAL super_read_only = OFF")
	if !strings.Contains(text(t, db, "SELECT GROUP_CONCAT(a) FROM "+schema+".t"), "1") {
		t.Error("the row is gone")
	}
}
