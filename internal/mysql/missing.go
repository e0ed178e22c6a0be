package mysql

import (
	"fmt"
	"strings"
)

// missing is a privilege that the account lacks for something.
type missing struct {
	privilege string
	on        string // *.*, `schema`.* or `schema`.`table`
	why       string
	// instead mends it where no GRANT does; privilege and on are empty then,
	// and why says what is wrong.
	instead string
	// otherwise is what to do where it cannot be granted.
	otherwise string
}

// grant returns the statement that mends it.
func (m missing) grant(account string) string {
	if m.instead != "" {
		return m.instead
	}
	return fmt.Sprintf("GRANT %s ON %s TO %s;", m.privilege, m.on, account)
}

// remedy is the statement, and the way out where it cannot be had.
func (m missing) remedy(account string) string {
	if m.otherwise == "" {
		return m.grant(account)
	}
	return m.grant(account) + " Or " + m.otherwise
}

// lacks says it in words.
func (m missing) lacks(account string) string {
	if m.instead != "" {
		return m.why
	}
	return fmt.Sprintf("account %s lacks %s on %s: %s", account, m.privilege, m.on, m.why)
}

// requirement gathers what is missing, each thing once.
type requirement struct {
	held    *privileges
	lacking []missing
	marks   bool // the restore notes at the target how far it has come
}

func (r *requirement) add(m missing) {
	for _, known := range r.lacking {
		if known.privilege == m.privilege && known.on == m.on && known.instead == m.instead {
			return
		}
	}
	r.lacking = append(r.lacking, m)
}

// onSchema requires a privilege on a whole schema.
func (r *requirement) onSchema(schema, privilege, why string) {
	if !r.held.on(schema, privilege) {
		r.add(missing{privilege: privilege, on: r.held.spelling(schema), why: why})
	}
}

// onTable requires a privilege on one table; one on its schema will do.
func (r *requirement) onTable(schema, table, privilege, why string) {
	if !r.held.onTable(schema, table, privilege) {
		r.add(missing{privilege: privilege, on: quoteName(schema) + "." + quoteName(table), why: why})
	}
}

// global requires one of several privileges; the first that the server knows
// is named.
func (r *requirement) global(why string, anyOf ...string) { r.globalOr("", why, anyOf...) }

// globalOr also says what to do where it cannot be granted.
func (r *requirement) globalOr(otherwise, why string, anyOf ...string) {
	if r.held.anywhere(anyOf...) {
		return
	}
	for _, name := range anyOf {
		if r.held.known[name] {
			r.add(missing{privilege: name, on: "*.*", why: why, otherwise: otherwise})
			return
		}
	}
}

// toReadAccounts requires what shows users, roles and grants.
func (r *requirement) toReadAccounts(why, otherwise string) {
	if !r.held.on(systemSchema, "SELECT") {
		r.add(missing{privilege: "SELECT", on: r.held.spelling(systemSchema), why: why, otherwise: otherwise})
	}
}

// lack turns what is missing into one line, and all statements that mend it
// into the hint. It returns nil where nothing is missing.
func (s *Server) lack(doing string, r *requirement) error {
	if len(r.lacking) == 0 {
		return nil
	}
	account := r.held.account
	reason := r.lacking[0].lacks(account)
	if more := len(r.lacking) - 1; more > 0 {
		reason += fmt.Sprintf(" (and %d more of the kind)", more)
	}
	hint := strings.Join(mend(r.lacking, account), " ")
	for _, m := range r.lacking {
		if m.otherwise != "" {
			hint += " Or " + m.otherwise
		}
	}
	return s.usage(doing, "%s", reason).Hint("%s%s", hint, r.held.otherwise())
}

// otherwise is a way out for an account whose roles are not all active.
func (p *privileges) otherwise() string {
	if !p.idle {
		return ""
	}
	return " Or SET DEFAULT ROLE ALL TO " + p.account + "; where a role that it has been granted holds what is missing: not all of its roles are active"
}

// mend returns the statements, one for all privileges on the same thing.
func mend(lacking []missing, account string) []string {
	var statements []string
	names := map[string]string{}
	for _, m := range lacking {
		if m.instead == "" {
			if names[m.on] != "" {
				names[m.on] += ", "
			}
			names[m.on] += m.privilege
		}
	}
	for _, m := range lacking {
		switch {
		case m.instead != "":
			statements = append(statements, m.instead)
		case names[m.on] != "":
			statements = append(statements, missing{privilege: names[m.on], on: m.on}.grant(account))
			delete(names, m.on)
		}
	}
	return statements
}

// dumpPrivileges are what a dump needs on a schema.
const dumpPrivileges = "SELECT, SHOW VIEW, TRIGGER, EVENT, EXECUTE"

// forDump requires what a dump cannot do without. What an account may not see
// does not show up at all, and would silently be left out of the point: so a
// privilege on single tables will do only where the settings name each table.
func (r *requirement) forDump(settings *Settings, choose *selection, schemas []string) {
	for _, schema := range schemas {
		tables, listed := choose.listed(schema)
		if !listed {
			r.onSchema(schema, "SELECT", "without it rows cannot be read, and tables are not even seen")
			r.onSchema(schema, "SHOW VIEW", "without it views cannot be captured")
			r.onSchema(schema, "TRIGGER", "without it triggers are not seen")
		}
		for _, table := range tables {
			r.onTable(schema, table, "SELECT", "without it rows cannot be read")
			r.onTable(schema, table, "TRIGGER", "without it triggers are not seen")
		}
		r.onSchema(schema, "EVENT", "without it events are not seen")
		if !r.held.on(schema, "ALTER ROUTINE") && !r.held.on(schema, "EXECUTE") {
			r.global("without it procedures and functions are not seen", "SHOW_ROUTINE", "SELECT")
		}
	}
	if settings.Accounts != NoAccounts {
		r.toReadAccounts("without it users, roles and grants cannot be captured", "set accounts: none in the source's settings, and keep accounts in another way")
	}
}

// checkPrivileges ends a dump that would lack something.
func (d *dump) checkPrivileges() error {
	r := &requirement{held: d.held}
	r.forDump(&d.server.settings, d.choose, d.names)
	return d.server.lack("dump", r)
}
