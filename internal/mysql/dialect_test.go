package mysql

import "testing"

// What an early 8.0 prints equals what a later version prints of the same.
func TestDefinitionsOfEarlyVersions(t *testing.T) {
	early := table{Name: "t", Create: sqlText("CREATE TABLE `t` (\n  `a` int(11) NOT NULL,\n  `b` tinyint(1) DEFAULT NULL,\n  `b2` tinyint(1) unsigned DEFAULT NULL,\n  `c` tinyint(4) unsigned DEFAULT NULL,\n" +
		"  `d` bigint(20) unsigned zerofill DEFAULT NULL,\n  `y` year(4) DEFAULT NULL,\n  `int(11) utf8` varchar(50) CHARACTER SET utf8 COLLATE utf8_bin DEFAULT 'int(11) utf8',\n  PRIMARY KEY (`a`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8 COLLATE=utf8_unicode_ci")}
	late := table{Name: "t", Create: sqlText("CREATE TABLE `t` (\n  `a` int NOT NULL,\n  `b` tinyint(1) DEFAULT NULL,\n  `b2` tinyint unsigned DEFAULT NULL,\n  `c` tinyint unsigned DEFAULT NULL,\n" +
		"  `d` bigint(20) unsigned zerofill DEFAULT NULL,\n  `y` year DEFAULT NULL,\n  `int(11) utf8` varchar(50) CHARACTER SET utf8mb3 COLLATE utf8mb3_bin DEFAULT 'int(11) utf8',\n  PRIMARY KEY (`a`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_unicode_ci")}
	if early.canonical() != late.canonical() {
		t.Errorf("the same table differs:\n%s\n%s", early.canonical(), late.canonical())
	}
	view := object{Type: typeView, Name: "v", Create: sqlText("CREATE VIEW `v` AS select (_utf8'utf8' collate utf8_bin) AS `utf8`,_utf8mb4'x'"), CharacterSet: "utf8", Collation: "utf8_general_ci", SchemaCollation: "utf8mb4_bin"}
	same := object{Type: typeView, Name: "v", Create: sqlText("CREATE VIEW `v` AS select (_utf8mb3'utf8' collate utf8mb3_bin) AS `utf8`,_utf8mb4'x'"), CharacterSet: "utf8mb3", Collation: "utf8mb3_general_ci", SchemaCollation: "utf8mb4_bin"}
	if view.canonical() != same.canonical() {
		t.Errorf("the same view differs:\n%s\n%s", view.canonical(), same.canonical())
	}
	for _, other := range []string{"int(11) DEFAULT 'utf8'", "bigint(20)", "int(10) unsigned zerofill", "`utf8` int", "tinyint(1)", "my_utf8", "utf8mb4"} {
		if got, plain := modern(other), modern("int DEFAULT 'utf8mb3'"); got == plain {
			t.Errorf("%s reads as %s", other, plain)
		}
	}
}
