package mysql

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestGrantLines(t *testing.T) {
	tests := map[string]struct {
		line  string
		atoms []string
	}{
		"nothing":            {"GRANT USAGE ON *.* TO `u`@`%`", nil},
		"nothing, passed on": {"GRANT USAGE ON *.* TO `u`@`%` WITH GRANT OPTION", []string{"GRANT OPTION ON *.*"}},
		"static":             {"GRANT SELECT, LOCK TABLES ON *.* TO ``@`%`", []string{"SELECT ON *.*", "LOCK TABLES ON *.*"}},
		"dynamic":            {"GRANT BACKUP_ADMIN, CLONE_ADMIN ON *.* TO `u`@`%` WITH GRANT OPTION", []string{"BACKUP_ADMIN ON *.* WITH OPTION", "CLONE_ADMIN ON *.* WITH OPTION"}},
		"schema":             {"GRANT ALL PRIVILEGES ON `a``.b\\_%`.* TO `u`@`%`", []string{"ALL PRIVILEGES ON `a``.b\\_%`.*"}},
		"table and columns":  {"GRANT SELECT, INSERT (`a`, `ON (`) ON `s`.`t ON` TO `u`@`%`", []string{"SELECT ON `s`.`t ON`", "INSERT (`a`) ON `s`.`t ON`", "INSERT (`ON (`) ON `s`.`t ON`"}},
		"routine":            {"GRANT EXECUTE ON PROCEDURE `s`.`p` TO `u`@`%`", []string{"EXECUTE ON PROCEDURE `s`.`p`"}},
		"roles":              {"GRANT `r`@`%`, `TO `@`h` TO `u`@`%` WITH ADMIN OPTION", []string{"role `r`@`%` WITH OPTION", "role `TO `@`h` WITH OPTION"}},
		"proxy":              {"GRANT PROXY ON ``@`` TO `u`@`%` WITH GRANT OPTION", []string{"PROXY ON ``@`` WITH OPTION"}},
		"partial revoke":     {"REVOKE INSERT ON `s`.* FROM `u`@`%`", []string{"REVOKE INSERT ON `s`.*"}},
		"of a later version": {"GRANT SELECT ON *.* TO `u`@`%` WITH PLEASURE", []string{"GRANT SELECT ON *.* TO `u`@`%` WITH PLEASURE"}},
		"nonsense":           {"PERMIT EVERYTHING", []string{"PERMIT EVERYTHING"}},
		"cut short":          {"GRANT SELECT ON `s", []string{"GRANT SELECT ON `s"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			g := parseGrant(tt.line)
			if diff := cmp.Diff(tt.atoms, g.atoms()); diff != "" {
				t.Errorf("rights (-want +got):\n%s", diff)
			}
			to := accountName{"u", "%"}
			if name == "static" {
				to.User = ""
			}
			if got := g.statement(to); got != tt.line {
				t.Errorf("statement %s, want %s", got, tt.line)
			}
		})
	}
}

// Whatever a grant consists of, its statement is read back as the same.
func TestGrantStatementsAreReadBack(t *testing.T) {
	name := rapid.StringMatching("[a-z`'\"@.,() \\\\%_*ü]{0,8}")
	account := rapid.Custom(func(t *rapid.T) accountName { return accountName{name.Draw(t, "user"), name.Draw(t, "host")} })
	one := rapid.Custom(func(t *rapid.T) privilege {
		return privilege{
			name:    rapid.SampledFrom([]string{"SELECT", "ALL PRIVILEGES", "BACKUP_ADMIN", "CREATE TEMPORARY TABLES"}).Draw(t, "privilege"),
			columns: rapid.SliceOfN(name, 0, 3).Draw(t, "columns"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		g := grant{option: rapid.Bool().Draw(t, "option")}
		switch rapid.IntRange(0, 2).Draw(t, "kind") {
		case 0:
			g.roles = rapid.SliceOfN(account, 1, 3).Draw(t, "roles")
		case 1:
			proxied := account.Draw(t, "proxied")
			g.proxied = &proxied
		default:
			g.privileges = rapid.SliceOfN(one, 1, 3).Draw(t, "privileges")
			for i := range g.privileges {
				if len(g.privileges[i].columns) == 0 {
					g.privileges[i].columns = nil
				}
			}
			g.schema = name.Draw(t, "schema")
			if g.schema != "" {
				g.object = name.Draw(t, "object")
				g.kind = rapid.SampledFrom([]string{"", "PROCEDURE", "FUNCTION"}).Draw(t, "kind of object")
			}
		}
		statement := g.statement(account.Draw(t, "to"))
		if diff := cmp.Diff(g, parseGrant(statement), cmp.AllowUnexported(grant{}, privilege{})); diff != "" {
			t.Fatalf("%s is read back as another (-want +got):\n%s", statement, diff)
		}
	})
}

func TestGrantsFollowARename(t *testing.T) {
	names := map[string]string{"open_im": "new_im"}
	tests := map[string]struct {
		line, want string
		follows    bool
	}{
		"name as a pattern":  {"GRANT SELECT ON `open\\_im`.* TO `u`@`%`", "GRANT SELECT ON `new\\_im`.* TO `u`@`%`", true},
		"name not escaped":   {"GRANT SELECT ON `open_im`.* TO `u`@`%`", "GRANT SELECT ON `new_im`.* TO `u`@`%`", true},
		"table":              {"GRANT SELECT ON `open_im`.`t` TO `u`@`%`", "GRANT SELECT ON `new_im`.`t` TO `u`@`%`", true},
		"routine":            {"GRANT EXECUTE ON FUNCTION `open_im`.`f` TO `u`@`%`", "GRANT EXECUTE ON FUNCTION `new_im`.`f` TO `u`@`%`", true},
		"partial revoke":     {"REVOKE SELECT ON `open_im`.* FROM `u`@`%`", "REVOKE SELECT ON `new_im`.* FROM `u`@`%`", true},
		"wildcards":          {"GRANT SELECT ON `open%`.* TO `u`@`%`", "GRANT SELECT ON `open%`.* TO `u`@`%`", false},
		"another schema":     {"GRANT SELECT ON `openXim2`.* TO `u`@`%`", "GRANT SELECT ON `openXim2`.* TO `u`@`%`", true},
		"another's table":    {"GRANT SELECT ON `openXim`.`t` TO `u`@`%`", "GRANT SELECT ON `openXim`.`t` TO `u`@`%`", true},
		"everything":         {"GRANT SELECT ON *.* TO `u`@`%`", "GRANT SELECT ON *.* TO `u`@`%`", true},
		"a role of the name": {"GRANT `open_im`@`%` TO `u`@`%`", "GRANT `open_im`@`%` TO `u`@`%`", true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			g := parseGrant(tt.line)
			moved, follows := g.renamed(names)
			if got := moved.statement(accountName{"u", "%"}); got != tt.want || follows != tt.follows {
				t.Errorf("%s (follows: %v), want %s (%v)", got, follows, tt.want, tt.follows)
			}
		})
	}
}
