package mysql

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// accountReads bounds how often the accounts are read again because one was
// dropped meanwhile.
const accountReads = 5

// accounts reads every account but the server's own, in the order of their
// names. It needs SELECT on the schema mysql.
func (c *catalog) accounts(ctx context.Context) ([]*accountDefinition, error) {
	// Hashes may hold any byte; old servers know no other way to show them.
	if err := attempt(ctx, c.conn, "SET SESSION print_identified_with_as_hex = ON"); err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		accounts, err := c.readAccounts(ctx)
		if err == nil || try == accountReads || !isServer(err, erNoSuchAccount, erNoSuchGrant) {
			return accounts, err
		}
	}
}

func (c *catalog) readAccounts(ctx context.Context) ([]*accountDefinition, error) {
	records, err := queryRecords(ctx, c.conn, "SELECT * FROM mysql.user ORDER BY User, Host")
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	roles, err := c.defaultRoles(ctx)
	if err != nil {
		return nil, err
	}
	var accounts []*accountDefinition
	for _, r := range records {
		name := accountName{r.text("user"), r.text("host")}
		if slices.Contains(systemAccounts, name) {
			continue
		}
		a, err := c.account(ctx, name, r)
		if err != nil {
			return nil, fmt.Errorf("read account %s: %w", name, err)
		}
		a.DefaultRoles = roles[name]
		accounts = append(accounts, a)
	}
	return accounts, nil
}

func (c *catalog) defaultRoles(ctx context.Context) (map[accountName][]accountName, error) {
	records, err := queryRecords(ctx, c.conn, "SELECT * FROM mysql.default_roles ORDER BY DEFAULT_ROLE_USER, DEFAULT_ROLE_HOST")
	if err != nil {
		return nil, fmt.Errorf("read default roles: %w", err)
	}
	roles := map[accountName][]accountName{}
	for _, r := range records {
		of := accountName{r.text("user"), r.text("host")}
		roles[of] = append(roles[of], accountName{r.text("default_role_user"), r.text("default_role_host")})
	}
	return roles, nil
}

// account reads one account, whose row of mysql.user is given.
func (c *catalog) account(ctx context.Context, name accountName, row record) (*accountDefinition, error) {
	create, err := c.showLines(ctx, "SHOW CREATE USER "+name.quoted())
	if err != nil {
		return nil, err
	}
	a := &accountDefinition{accountName: name}
	if a.Grants, err = c.showLines(ctx, "SHOW GRANTS FOR "+name.quoted()); err != nil {
		return nil, err
	}
	if err := a.readAttributes(row); err != nil {
		return nil, err
	}
	if len(create) != 1 || !a.split(create[0], row) {
		return nil, fault.New(fault.Usage, "read account "+name.String(), "the server shows it in a form that this openim-dr does not know").
			On(c.server.target()).Hint("use a newer openim-dr, or leave the account out with excludeAccounts, or all with accounts: none")
	}
	return a, nil
}

// showLines returns the only column of a SHOW statement.
func (c *catalog) showLines(ctx context.Context, query string) ([]string, error) {
	records, err := queryRecords(ctx, c.conn, query)
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, r := range records {
		for _, line := range r {
			lines = append(lines, string(line))
		}
	}
	return lines, nil
}

// readAttributes looks at what of the attributes no statement shows.
func (a *accountDefinition) readAttributes(row record) error {
	var attributes struct {
		SecondPassword string `json:"additional_password"`
		Factors        []struct {
			Plugin string `json:"plugin"`
		} `json:"multi_factor_authentication"`
	}
	if row.has("user_attributes") {
		if err := json.Unmarshal(row["user_attributes"], &attributes); err != nil {
			return errors.New("its attributes are no JSON") // the decoder's error could quote them
		}
	}
	a.SecondPassword = attributes.SecondPassword != ""
	a.Plugins = []string{row.text("plugin")}
	for _, factor := range attributes.Factors {
		a.Plugins = append(a.Plugins, factor.Plugin)
	}
	return nil
}

// split takes a SHOW CREATE USER apart. Default roles are left out, since they
// can be set only when the roles have been granted. The server prints subject
// and issuer without escaping their quotes: they are taken from mysql.user.
func (a *accountDefinition) split(text string, row record) bool {
	create, rest, found := cutUnquoted(text, " REQUIRE ")
	create, _, _ = cutUnquoted(create, " DEFAULT ROLE ")
	a.Create = sqlText(create)
	a.Require = requireClause(row, quoteText)
	if !found {
		return false
	}
	for _, shown := range []string{requireClause(row, func(s string) string { return "'" + s + "'" }), a.Require} {
		options, ok := strings.CutPrefix(rest, shown)
		if ok && (options == "" || strings.HasPrefix(options, " ")) {
			a.Options = options
			return true
		}
	}
	return false
}

// requireClause returns what an account's connections must fulfil.
func requireClause(row record, quote func(string) string) string {
	switch row.text("ssl_type") {
	case "":
		return "NONE"
	case "ANY":
		return "SSL"
	case "X509":
		return "X509"
	}
	var parts []string
	for _, part := range []struct{ word, column string }{{"SUBJECT", "x509_subject"}, {"ISSUER", "x509_issuer"}, {"CIPHER", "ssl_cipher"}} {
		if value := row.text(part.column); value != "" {
			parts = append(parts, part.word+" "+quote(value))
		}
	}
	return strings.Join(parts, " ")
}

// cutUnquoted is strings.Cut for a separator that stands outside of quotes.
func cutUnquoted(text, separator string) (before, after string, found bool) {
	quote := byte(0)
	for i := 0; i < len(text); i++ {
		switch {
		case quote == '\'' && text[i] == '\\':
			i++
		case quote != 0:
			if text[i] == quote {
				quote = 0 // a doubled quote opens it again at once
			}
		case text[i] == '\'' || text[i] == '`':
			quote = text[i]
		case strings.HasPrefix(text[i:], separator):
			return text[:i], text[i+len(separator):], true
		}
	}
	return text, "", false
}

// currentAccount returns the account of a session.
func currentAccount(ctx context.Context, q querier) (accountName, error) {
	r, err := queryRecord(ctx, q, "SELECT CURRENT_USER() AS me")
	if err != nil {
		return accountName{}, fmt.Errorf("ask for the account: %w", err)
	}
	return parseAccountName(r.text("me")), nil
}
