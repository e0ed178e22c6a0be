package mysql

import (
	"path"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/seal"
)

// accountsFile is the file that the loader reads; users.sql says the same to a
// person.
const accountsFile = "accounts.json"

// accountsVersion is raised when the meaning of a field changes.
const accountsVersion = 1

// accountList is the content of accountsFile.
type accountList struct {
	Version  int                  `json:"version"`
	Accounts []*accountDefinition `json:"accounts"`
}

// accountName is who an account is. To MySQL a role is an account, too.
type accountName struct {
	User string `json:"user"`
	Host string `json:"host"`
}

// accountDefinition is everything about an account. Its statement stands in
// three parts, so that a restore can bar the account until all is back.
type accountDefinition struct {
	accountName
	Create       sqlText       `json:"create"`  // CREATE USER … IDENTIFIED …
	Require      string        `json:"require"` // NONE, SSL, X509, or SUBJECT, ISSUER and CIPHER
	Options      string        `json:"options"` // limits, expiry, lock, password options, attributes
	Plugins      []string      `json:"plugins"` // that its password and further factors need
	DefaultRoles []accountName `json:"defaultRoles,omitempty"`
	Grants       []string      `json:"grants"` // as SHOW GRANTS prints them
	// SecondPassword says that a former password is still accepted. No
	// statement of MySQL can carry it.
	SecondPassword bool `json:"secondPassword,omitempty"`
}

// String spells an account for people.
func (n accountName) String() string { return quoteText(n.User) + "@" + quoteText(n.Host) }

// quoted spells an account in a statement, whatever the session's sql_mode.
func (n accountName) quoted() string { return quoteName(n.User) + "@" + quoteName(n.Host) }

// parseAccountName takes user@host apart, as CURRENT_USER() and DEFINER spell
// it: a host never holds an @, a user's name may.
func parseAccountName(text string) accountName {
	at := strings.LastIndexByte(text, '@')
	if at < 0 {
		return accountName{User: text}
	}
	return accountName{text[:at], text[at+1:]}
}

func compareAccountNames(a, b accountName) int {
	if c := strings.Compare(a.User, b.User); c != 0 {
		return c
	}
	return strings.Compare(a.Host, b.Host)
}

func quoteAccounts(names []accountName) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = name.quoted()
	}
	return strings.Join(quoted, ", ")
}

// systemAccounts are the server's own, and every server has them.
var systemAccounts = []accountName{{"mysql.infoschema", "localhost"}, {"mysql.session", "localhost"}, {"mysql.sys", "localhost"}}

// isAccountPattern tells patterns for accounts, which hold an @, from those
// for schemas and tables.
func isAccountPattern(pattern string) bool { return strings.Contains(pattern, "@") }

// matches reports whether the pattern user@host matches the account. A star
// also matches the slash of a netmask.
func (n accountName) matches(pattern string) bool {
	hide := func(s string) string { return strings.ReplaceAll(s, "/", "\x00") }
	matched, err := path.Match(hide(pattern), hide(n.User+"@"+n.Host))
	return err == nil && matched
}

func (n accountName) matchesAny(patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return isAccountPattern(p) && n.matches(p) })
}

// statement creates the account, with the requirement on its connections.
func (a *accountDefinition) statement(require string) string {
	return string(a.Create) + " REQUIRE " + require + a.Options
}

// setDefaultRoles returns the statement that sets them, or "".
func (a *accountDefinition) setDefaultRoles() string {
	if len(a.DefaultRoles) == 0 {
		return ""
	}
	return "ALTER USER " + a.quoted() + " DEFAULT ROLE " + quoteAccounts(a.DefaultRoles)
}

// parsedGrants leaves out lines that say that there is nothing.
func (a *accountDefinition) parsedGrants() []grant {
	var grants []grant
	for _, line := range a.Grants {
		if g := parseGrant(line); len(g.atoms()) > 0 {
			grants = append(grants, g)
		}
	}
	return grants
}

// identity is the account without its grants, in a form that does not depend
// on the order in which anything was given.
func (a *accountDefinition) identity() string {
	roles := slices.SortedFunc(slices.Values(a.DefaultRoles), compareAccountNames)
	return a.statement(a.Require) + "\nDEFAULT ROLE " + quoteAccounts(roles)
}

// canonical is all of the account.
func (a *accountDefinition) canonical() string {
	return a.identity() + "\n" + strings.Join(rights(a.parsedGrants()), "\n")
}

// digestAccounts is what a plain file may say of accounts.
func digestAccounts(key seal.DigestKey, accounts []*accountDefinition) seal.Digest {
	var sum seal.Digest
	for _, a := range accounts {
		sum.Add(digestText(key, a.canonical()))
	}
	return sum
}

func accountsByName(accounts []*accountDefinition) map[accountName]*accountDefinition {
	byName := make(map[accountName]*accountDefinition, len(accounts))
	for _, a := range accounts {
		byName[a.accountName] = a
	}
	return byName
}
