package mysql

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// privileges are what SHOW GRANTS says of the account, with the roles that are
// active. A grant on single columns counts for nothing: what is needed is
// needed of whole tables.
type privileges struct {
	account string          // 'user'@'host', as a GRANT names it
	known   map[string]bool // privileges that the server has at all
	global  map[string]bool
	schemas []schemaGrant
	tables  map[tableName]map[string]bool

	literal bool // partial_revokes is ON: names of schemas hold no wildcards
	roles   bool // roles are active
	idle    bool // roles are granted and not active
}

// schemaGrant is a grant on the schemas that a pattern matches.
type schemaGrant struct {
	pattern    string // of LIKE
	privileges map[string]bool
	revoked    bool // a partial revoke takes from what is granted globally
}

type tableName struct{ schema, name string }

const allPrivileges = "ALL PRIVILEGES"

// askPrivileges asks the server what the session's account may do.
func askPrivileges(ctx context.Context, q querier) (*privileges, error) {
	who, err := queryRecord(ctx, q, "SELECT CURRENT_USER() AS account, CURRENT_ROLE() AS roles")
	if err != nil {
		return nil, fmt.Errorf("ask for roles: %w", err)
	}
	p := &privileges{
		account: quoteAccount(who.text("account")), known: map[string]bool{},
		global: map[string]bool{}, tables: map[tableName]map[string]bool{},
	}
	query, active := "SHOW GRANTS", who.text("roles")
	if p.roles = active != "" && active != "NONE"; p.roles {
		query += " FOR CURRENT_USER() USING " + active
	}
	records, err := queryRecords(ctx, q, query)
	if err != nil {
		return nil, fmt.Errorf("ask for privileges: %w", err)
	}
	for _, r := range records {
		for _, line := range r {
			p.parse(string(line), active)
		}
	}
	return p, p.askServer(ctx, q)
}

// grantee names the session's account as a GRANT does.
func grantee(ctx context.Context, q querier) string {
	r, err := queryRecord(ctx, q, "SELECT CURRENT_USER() AS account")
	if err != nil {
		return "the account" // the error that asks for this matters more
	}
	return quoteAccount(r.text("account"))
}

// askServer asks what a grant means on this server, and which there are.
func (p *privileges) askServer(ctx context.Context, q querier) error {
	records, err := queryRecords(ctx, q, "SHOW PRIVILEGES")
	if err != nil {
		return fmt.Errorf("ask for the privileges that the server has: %w", err)
	}
	for _, r := range records {
		p.known[strings.ToUpper(r.text("privilege"))] = true
	}
	r, err := queryRecord(ctx, q, "SELECT @@GLOBAL.partial_revokes AS v")
	if isServer(err, erUnknownVariable) {
		return nil // before 8.0.16
	}
	p.literal = r.text("v") == "1"
	return err
}

// quoteAccount quotes user@host as CURRENT_USER() gives it. A user's name may
// hold an @, a host's may not.
func quoteAccount(account string) string {
	at := strings.LastIndexByte(account, '@')
	return quoteText(account[:max(at, 0)]) + "@" + quoteText(account[at+1:])
}

var (
	// grantLine takes apart GRANT a, b ON `schema`.`table` TO …, with * for
	// either name; grants of roles and on routines and proxies do not match.
	grantLine = regexp.MustCompile("^(GRANT|REVOKE) (.*?) ON (\\*|`(?:[^`]|``)*`)\\.(\\*|`(?:[^`]|``)*`) (?:TO|FROM) ")
	roleLine  = regexp.MustCompile("^GRANT (`(?:[^`]|``)*`@`(?:[^`]|``)*`(?:,`(?:[^`]|``)*`@`(?:[^`]|``)*`)*) TO ")
	// onColumns is a privilege on single columns.
	onColumns = regexp.MustCompile("[A-Z ]+ \\((?:`(?:[^`]|``)*`(?:, )?)+\\)")
)

func (p *privileges) parse(line, activeRoles string) {
	if roles := roleLine.FindStringSubmatch(line); roles != nil {
		for role := range strings.SplitSeq(roles[1], ",`") {
			p.idle = p.idle || !strings.Contains(activeRoles, strings.TrimPrefix(role, "`"))
		}
		return
	}
	parts := grantLine.FindStringSubmatch(line)
	if parts == nil {
		return
	}
	names := map[string]bool{}
	for name := range strings.SplitSeq(onColumns.ReplaceAllString(parts[2], ""), ",") {
		names[strings.TrimSpace(name)] = true
	}
	schema := unquoteName(parts[3])
	switch {
	case parts[3] == "*":
		for name := range names {
			p.global[name] = true
		}
	case parts[4] == "*":
		p.schemas = append(p.schemas, schemaGrant{pattern: schema, privileges: names, revoked: parts[1] == "REVOKE"})
	default:
		p.tables[tableName{schema, unquoteName(parts[4])}] = names
	}
}

func unquoteName(quoted string) string {
	return strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(quoted, "`"), "`"), "``", "`")
}

// anywhere reports whether the account holds one of the privileges globally.
func (p *privileges) anywhere(names ...string) bool {
	return p.global[allPrivileges] || slices.ContainsFunc(names, func(name string) bool { return p.global[name] })
}

// on reports whether the account holds a privilege on a whole schema.
func (p *privileges) on(schema, name string) bool {
	if p.anywhere(name) && !slices.ContainsFunc(p.schemas, func(g schemaGrant) bool {
		return g.revoked && g.pattern == schema && g.holds(name)
	}) {
		return true
	}
	return slices.ContainsFunc(p.effective(schema), func(g schemaGrant) bool { return g.holds(name) })
}

// onTable reports whether the account holds a privilege on a table.
func (p *privileges) onTable(schema, table, name string) bool {
	held := p.tables[tableName{schema, table}]
	return p.on(schema, name) || held[name] || held[allPrivileges]
}

func (g schemaGrant) holds(name string) bool {
	return g.privileges[name] || g.privileges[allPrivileges]
}

// effective returns the grants that count for a schema. The server takes the
// one whose pattern fits most closely and looks at no other. Where roles are
// active, it takes the one that spells the name without a wildcard, or else
// all that fit.
func (p *privileges) effective(schema string) []schemaGrant {
	var fitting []schemaGrant
	for _, g := range p.schemas {
		if !g.revoked && p.fits(g.pattern, schema) {
			fitting = append(fitting, g)
		}
	}
	if len(fitting) < 2 {
		return fitting
	}
	if p.roles {
		if at := slices.IndexFunc(fitting, func(g schemaGrant) bool { return g.pattern == schema && !strings.ContainsAny(schema, "_%") }); at >= 0 {
			return fitting[at : at+1]
		}
		return fitting
	}
	slices.SortStableFunc(fitting, func(a, b schemaGrant) int { return closeness(b.pattern) - closeness(a.pattern) })
	return fitting[:1]
}

func (p *privileges) fits(pattern, schema string) bool {
	if p.literal {
		return pattern == schema
	}
	return likeMatches(pattern, schema)
}

// closeness is how much of a pattern stands before its first wildcard, as the
// server sorts them.
func closeness(pattern string) int {
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '\\':
			i++
		case '_', '%':
			return i
		}
	}
	return 1 << 10 // longer than any name
}

// spelling returns what a GRANT on a schema has to name: the pattern that
// counts now. Any other spelling would be a grant of its own, beside which
// that one no longer counts, or which itself does not.
func (p *privileges) spelling(schema string) string {
	if fitting := p.effective(schema); len(fitting) > 0 {
		return quoteName(fitting[0].pattern) + ".*"
	}
	return quoteName(schema) + ".*"
}

// likeMatches matches a schema name against the pattern of a grant, in which
// _ and % are wildcards unless a backslash is before them.
func likeMatches(pattern, name string) bool {
	var b strings.Builder
	b.WriteString("(?s)^")
	escaped := false
	for _, c := range pattern {
		switch {
		case !escaped && c == '\\':
			escaped = true
			continue
		case !escaped && c == '%':
			b.WriteString(".*")
		case !escaped && c == '_':
			b.WriteString(".")
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
		escaped = false
	}
	b.WriteString("$")
	matched, err := regexp.MatchString(b.String(), name)
	return err == nil && matched
}
