package mysql

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// privileges are what SHOW GRANTS says of the account, with the roles that are
// active. Grants on single tables and columns are not looked at.
type privileges struct {
	global  map[string]bool
	schemas []schemaGrant
}

// schemaGrant is a grant on the schemas that a pattern matches.
type schemaGrant struct {
	pattern    string // of LIKE
	privileges map[string]bool
	revoked    bool // a partial revoke takes from what is granted globally
}

func askPrivileges(ctx context.Context, q querier) (*privileges, error) {
	role, err := queryRecord(ctx, q, "SELECT CURRENT_ROLE() AS roles")
	if err != nil {
		return nil, fmt.Errorf("ask for roles: %w", err)
	}
	query := "SHOW GRANTS"
	if roles := role.text("roles"); roles != "" && roles != "NONE" {
		query += " FOR CURRENT_USER() USING " + roles
	}
	records, err := queryRecords(ctx, q, query)
	if err != nil {
		return nil, fmt.Errorf("ask for privileges: %w", err)
	}
	p := &privileges{global: map[string]bool{}}
	for _, r := range records {
		for _, line := range r {
			p.parse(string(line))
		}
	}
	return p, nil
}

// grantLine takes apart GRANT a, b ON `schema`.* TO …; grants of roles and
// grants on tables, routines and proxies do not match.
var grantLine = regexp.MustCompile("^(GRANT|REVOKE) (.*?) ON (?:(\\*)|`((?:[^`]|``)*)`)\\.\\* (?:TO|FROM) ")

func (p *privileges) parse(line string) {
	parts := grantLine.FindStringSubmatch(line)
	if parts == nil {
		return
	}
	names := map[string]bool{}
	for name := range strings.SplitSeq(parts[2], ",") {
		names[strings.TrimSpace(name)] = true
	}
	if parts[3] == "*" {
		for name := range names {
			p.global[name] = true
		}
		return
	}
	p.schemas = append(p.schemas, schemaGrant{
		pattern: strings.ReplaceAll(parts[4], "``", "`"), privileges: names, revoked: parts[1] == "REVOKE",
	})
}

// anywhere reports whether the account holds one of the privileges globally.
func (p *privileges) anywhere(names ...string) bool {
	return p.global["ALL PRIVILEGES"] || slices.ContainsFunc(names, func(name string) bool { return p.global[name] })
}

// on reports whether the account holds a privilege on a whole schema.
func (p *privileges) on(schema, name string) bool {
	granted := p.anywhere(name)
	for _, g := range p.schemas {
		if (g.privileges[name] || g.privileges["ALL PRIVILEGES"]) && likeMatches(g.pattern, schema) {
			granted = !g.revoked
		}
	}
	return granted
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

// missing is a privilege that the account lacks for something.
type missing struct {
	privilege string
	on        string // *.* or `schema`.*
	why       string
	otherwise string // what to do where it cannot be granted
}

// grant returns the statement that mends it.
func (m missing) grant(user string) string {
	return fmt.Sprintf("GRANT %s ON %s TO %s@…;", m.privilege, m.on, quoteText(user))
}

// remedy returns the statement, and the way out where it cannot be had.
func (m missing) remedy(user string) string {
	if m.otherwise == "" {
		return m.grant(user)
	}
	return m.grant(user) + " Or " + m.otherwise
}

// forSettings returns what a dump of everything that is configured lacks.
func (p *privileges) forSettings(s *Settings) []missing {
	lacking := p.forDump(s.Schemas)
	if s.Accounts != NoAccounts && !p.on(systemSchema, "SELECT") {
		lacking = append(lacking, missing{
			privilege: "SELECT", on: quoteName(systemSchema) + ".*",
			why:       "without it users, roles and grants cannot be captured",
			otherwise: "set accounts: none in the source's settings, and keep accounts in another way",
		})
	}
	return lacking
}

// forDump returns what a dump of the schemas lacks. What an account may not
// see does not show up at all, and would silently be left out of the point.
func (p *privileges) forDump(schemas []string) []missing {
	var lacking []missing
	for _, schema := range schemas {
		on := quoteName(schema) + ".*"
		for _, need := range []missing{
			{privilege: "SELECT", on: on, why: "without it rows cannot be read, and tables are not even seen"},
			{privilege: "SHOW VIEW", on: on, why: "without it views cannot be captured"},
			{privilege: "TRIGGER", on: on, why: "without it triggers are not seen"},
			{privilege: "EVENT", on: on, why: "without it events are not seen"},
		} {
			if !p.on(schema, need.privilege) {
				lacking = append(lacking, need)
			}
		}
		if !p.anywhere("SHOW_ROUTINE", "SELECT") && !p.on(schema, "ALTER ROUTINE") && !p.on(schema, "EXECUTE") {
			lacking = append(lacking, missing{privilege: "SHOW_ROUTINE", on: "*.*", why: "without it procedures and functions are not seen"})
		}
	}
	return lacking
}
