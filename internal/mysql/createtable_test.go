package mysql

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCreateTableIsTakenApart(t *testing.T) {
	tests := map[string]struct {
		create     sqlText
		base       string
		indexes    []string
		references []string
	}{
		"secondary keys come later": {
			sqlText("CREATE TABLE `t` (\n  `id` int NOT NULL AUTO_INCREMENT,\n  `a` int,\n  PRIMARY KEY (`id`),\n  UNIQUE KEY `u` (`a`),\n  KEY `k` (`a`,`id`),\n  FULLTEXT KEY `f` (`b`),\n  FULLTEXT KEY `g` (`b`) /*!50100 WITH PARSER `ngram` */ ,\n  CONSTRAINT `c` CHECK ((`a` < 3)),\n  CONSTRAINT `r` FOREIGN KEY (`a`) REFERENCES `t` (`id`)\n) ENGINE=InnoDB AUTO_INCREMENT=5"),
			"CREATE TABLE `t` (\n  `id` int NOT NULL AUTO_INCREMENT,\n  `a` int,\n  PRIMARY KEY (`id`),\n  CONSTRAINT `c` CHECK ((`a` < 3))\n) ENGINE=InnoDB AUTO_INCREMENT=5",
			[]string{"ADD UNIQUE KEY `u` (`a`),\n  ADD KEY `k` (`a`,`id`)", "ADD FULLTEXT KEY `f` (`b`)", "ADD FULLTEXT KEY `g` (`b`) /*!50100 WITH PARSER `ngram` */"},
			[]string{"ADD CONSTRAINT `r` FOREIGN KEY (`a`) REFERENCES `t` (`id`)"},
		},
		"the key that AUTO_INCREMENT needs stays": {
			sqlText("CREATE TABLE `t` (\n  `id` int NOT NULL AUTO_INCREMENT,\n  `a` int,\n  PRIMARY KEY (`a`),\n  KEY `k` (`id`),\n  KEY `l` (`a`)\n)"),
			"CREATE TABLE `t` (\n  `id` int NOT NULL AUTO_INCREMENT,\n  `a` int,\n  PRIMARY KEY (`a`),\n  KEY `k` (`id`)\n)",
			[]string{"ADD KEY `l` (`a`)"}, nil,
		},
		"without a primary key unique ones stay": {
			sqlText("CREATE TABLE `t` (\n  `a` int NOT NULL,\n  UNIQUE KEY `u` (`a`),\n  KEY `l` (`a`)\n)"),
			"CREATE TABLE `t` (\n  `a` int NOT NULL,\n  UNIQUE KEY `u` (`a`)\n)",
			[]string{"ADD KEY `l` (`a`)"}, nil,
		},
		"nothing in quotes is taken for syntax": {
			sqlText("CREATE TABLE `a``(,` (\n  `x``,\n  KEY `` (` varchar(9) DEFAULT 'it''s\\' ), KEY `k` (' COMMENT ' AUTO_INCREMENT',\n  `y` enum('a,','b)') GENERATED ALWAYS AS (concat('(',`x`)) VIRTUAL\n) COMMENT='KEY `k` ('"),
			"CREATE TABLE `a``(,` (\n  `x``,\n  KEY `` (` varchar(9) DEFAULT 'it''s\\' ), KEY `k` (' COMMENT ' AUTO_INCREMENT',\n  `y` enum('a,','b)') GENERATED ALWAYS AS (concat('(',`x`)) VIRTUAL\n) COMMENT='KEY `k` ('",
			nil, nil,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := parseCreateTable(tt.create)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.base, c.base()); diff != "" {
				t.Errorf("base (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.indexes, c.indexes()); diff != "" {
				t.Errorf("indexes (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.references, c.references()); diff != "" {
				t.Errorf("references (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUnknownFormsOfCreateTableAreRefused(t *testing.T) {
	for _, create := range []string{"", "CREATE VIEW `v` (", "CREATE TABLE `t` (", "CREATE TABLE `t` (\n  `a` int", "CREATE TABLE `t` (\n  SOMETHING `new` (`a`)\n)"} {
		if _, err := parseCreateTable(sqlText(create)); err == nil {
			t.Errorf("%q was taken apart", create)
		}
	}
}

func TestOnlyTheNextNumberIsCutOut(t *testing.T) {
	create := sqlText("CREATE TABLE `t` (\n  `a` int COMMENT ') ENGINE=InnoDB AUTO_INCREMENT=1'\n) ENGINE=InnoDB AUTO_INCREMENT=77 DEFAULT CHARSET=latin1")
	want := "CREATE TABLE `t` (\n  `a` int COMMENT ') ENGINE=InnoDB AUTO_INCREMENT=1'\n) ENGINE=InnoDB DEFAULT CHARSET=latin1"
	if diff := cmp.Diff(want, withoutAutoIncrement(create)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := nextNumber(create); got != 77 {
		t.Errorf("next number %d, want 77", got)
	}
}

// A text that the parser takes is whole in what it makes of it, and a text
// that it does not take is an error, never a panic.
func FuzzCreateTable(f *testing.F) {
	for _, seed := range []string{
		"", "CREATE TABLE", "CREATE TABLE `t` (", "CREATE TABLE `t` (\n  `a` int,\n  KEY `k` (`a`)\n) ENGINE=InnoDB AUTO_INCREMENT=5",
		"CREATE TABLE `a``(,` (\n  `x` enum('a,','b)') COLLATE latin1_bin DEFAULT 'it''s\\\\',\n  PRIMARY KEY (`x`),\n  CONSTRAINT `c` CHECK ((`x` <> ')'))\n)",
		"CREATE TABLE `t` (\n  `a` int,\n  CONSTRAINT `", "CREATE TABLE `t` (`a`)\\", "CREATE TABLE `t` (FULLTEXT KEY )",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, create string) {
		c, err := parseCreateTable(sqlText(create))
		if err != nil {
			return
		}
		again, err := parseCreateTable(sqlText(c.base()))
		if err != nil {
			t.Fatalf("base %q of %q cannot be parsed: %v", c.base(), create, err)
		}
		if again.base() != c.base() {
			t.Errorf("base of %q is %q, and its base %q", create, c.base(), again.base())
		}
		if got, want := len(again.columns), len(c.columns); got != want {
			t.Errorf("%q has %d columns, and its base %d", create, want, got)
		}
		_, _, _ = c.indexes(), c.references(), c.canonical()
	})
}
