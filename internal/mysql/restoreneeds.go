package mysql

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// leaveAccountsOut is the way out for whoever may not restore accounts.
const leaveAccountsOut = "restore without accounts: accounts: none in the settings of the target"

// checkPrivileges ends a restore that would lack something.
func (c *client) checkPrivileges(ctx context.Context, need *requirement, r *restoration) error {
	need.forAccounts(c.server.settings.RefusedAccounts, r.accounts)
	for _, schema := range r.schemas {
		need.forSchema(schema)
	}
	if err := need.forDefiners(ctx, c, r); err != nil {
		return err
	}
	c.needSwitches(need, r)
	c.needAbilities(need, r)
	r.held = need.held
	return c.server.lack("restore into", need)
}

// forAccounts requires what it takes to create accounts and to give them their
// roles. Whether the account that restores may give each of their privileges is
// for the server to say, which it does before anything else is touched.
func (r *requirement) forAccounts(refused RefusedPolicy, accounts []*accountPlan) {
	made := map[accountName]bool{}
	for _, a := range accounts {
		made[a.accountName] = a.isMade()
	}
	for _, a := range accounts {
		if !a.isMade() {
			continue
		}
		r.globalOr(leaveAccountsOut, "without it accounts cannot be created", "CREATE USER")
		if a.former != nil && a.former.isSystemUser() {
			r.global("without it an account that is a SYSTEM_USER cannot be replaced", "SYSTEM_USER")
		}
		if refused == SkipRefused {
			continue
		}
		if a.isSystemUser() {
			r.global("without it no account can be made a SYSTEM_USER", "SYSTEM_USER")
		}
		for _, g := range a.parsedGrants() {
			if slices.ContainsFunc(g.roles, func(role accountName) bool { return made[role] }) {
				r.global("without it roles cannot be given to accounts", "ROLE_ADMIN", "SUPER")
			}
		}
	}
}

// isSystemUser reports whether only a SYSTEM_USER may change the account.
func (a *accountDefinition) isSystemUser() bool {
	return slices.ContainsFunc(a.parsedGrants(), func(g grant) bool {
		return !g.revoke && g.schema == "" && slices.ContainsFunc(g.privileges, func(p privilege) bool { return p.name == "SYSTEM_USER" })
	})
}

// forSchema requires what it takes to create a schema, fill it and compare it.
func (r *requirement) forSchema(p *schemaPlan) {
	if p.whole {
		r.onSchema(p.target, "CREATE", "without it the schema and its tables cannot be created")
		r.onSchema(p.target, "DROP", "without it there is no room for the schema")
	} else if !p.exists {
		r.onSchema(p.target, "CREATE", "without it the schema cannot be created")
	}
	for i := range p.Tables {
		r.forTable(p, &p.Tables[i])
	}
	r.forMarks(p)
	for _, o := range p.objects() {
		switch o.Type {
		case typeView:
			r.onSchema(p.target, "CREATE VIEW", "without it views cannot be created")
			r.onSchema(p.target, "SHOW VIEW", "without it views cannot be compared")
			r.onSchema(p.target, "SELECT", "without it views cannot be created")
			if o.Broken || slices.ContainsFunc(p.Routines, func(o object) bool { return o.Type == typeFunction }) {
				r.onSchema(p.target, "EXECUTE", "without it views that call functions cannot be created")
			}
		case typeTrigger:
			r.onSchema(p.target, "TRIGGER", "without it triggers cannot be created")
		case typeEvent:
			r.onSchema(p.target, "EVENT", "without it events cannot be created")
		default:
			r.onSchema(p.target, "CREATE ROUTINE", "without it procedures and functions cannot be created")
			r.global("without it procedures and functions cannot be compared", "SHOW_ROUTINE", "SELECT")
		}
		if o.SchemaCollation != "" && o.SchemaCollation != p.Collation {
			r.onSchema(p.target, "ALTER", "without it the collation that belongs to a routine, trigger or event cannot be set")
		}
		if o.Broken {
			r.onSchema(p.target, "CREATE ROUTINE", "without it nothing can stand in for what a broken view lacks")
			r.onSchema(p.target, "ALTER", "without it nothing can stand in for what a broken view lacks")
		}
	}
}

// forMarks requires what it takes to note in a schema how far the restore has
// come. Where all of it is restored there is enough for that.
func (r *requirement) forMarks(p *schemaPlan) {
	if p.whole || !r.marks {
		return
	}
	for _, privilege := range []string{"CREATE", "DROP", "INSERT", "SELECT"} {
		r.onTable(p.target, markTable, privilege, "without it the restore cannot note how far it has come")
	}
}

// forTable requires privileges on one table, where only some are restored, or
// on the schema.
func (r *requirement) forTable(p *schemaPlan, t *table) {
	need := func(privilege, why string) {
		if p.whole {
			r.onSchema(p.target, privilege, why)
		} else {
			r.onTable(p.target, t.Name, privilege, why)
		}
	}
	need("CREATE", "without it tables cannot be created")
	need("DROP", "without it there is no room for tables")
	need("INSERT", "without it no row can be loaded")
	need("SELECT", "without it rows cannot be compared")
	parts, err := parseCreateTable(t.Create)
	if err != nil {
		return // creating it says so
	}
	if len(parts.indexes()) > 0 || len(parts.foreignKeys) > 0 {
		need("ALTER", "without it indexes and foreign keys cannot be added after the rows")
	}
	for _, key := range parts.foreignKeys {
		r.forReference(p, key)
	}
}

// forReference requires the right to refer to a table. It is asked for on the
// whole schema where the table need not be there yet.
func (r *requirement) forReference(p *schemaPlan, foreignKey string) {
	const why = "without it no foreign key can refer to a table"
	schema, parent := reference(foreignKey)
	switch {
	case schema != "":
		r.onSchema(schema, "REFERENCES", why)
	case !p.whole && p.byName()[parent] != nil:
		r.onTable(p.target, parent, "REFERENCES", why)
	default:
		r.onSchema(p.target, "REFERENCES", why)
	}
}

// referenced finds what a foreign key refers to.
var referenced = regexp.MustCompile("\\) REFERENCES (?:(`(?:[^`]|``)*`)\\.)?(`(?:[^`]|``)*`) \\(([^)]*)\\)")

// reference returns the table that a foreign key refers to; schema is empty
// for that of the key's own table.
func reference(foreignKey string) (schema, table string) {
	match := referenced.FindStringSubmatch(foreignKey)
	if match == nil {
		return "", ""
	}
	return unquoteName(match[1]), unquoteName(match[2])
}

// forDefiners requires what it takes to create objects in another's name.
func (r *requirement) forDefiners(ctx context.Context, c *client, p *restoration) error {
	definers := map[string]bool{}
	for _, schema := range p.schemas {
		for _, o := range schema.objects() {
			if account := quoteAccount(o.Definer); account != r.held.account {
				definers[account] = true
			}
		}
	}
	if len(definers) == 0 {
		return nil
	}
	r.global("without it views, routines, triggers and events cannot have another definer", "SET_ANY_DEFINER", "SET_USER_ID", "SUPER")
	there, strong, err := c.accounts(ctx)
	if err != nil {
		return err
	}
	if policy := c.server.settings.Definers; there == nil && policy != "" && policy != KeepDefiner {
		r.toReadAccounts(fmt.Sprintf("without it which definers are missing is not known, and definers is %s", policy), "set definers: keep in the settings of the target")
		return nil
	}
	restored := map[string]bool{} // before anything that they define
	for _, a := range p.accounts {
		restored[a.String()] = a.isMade()
	}
	for definer := range definers {
		switch known := r.held.known["ALLOW_NONEXISTENT_DEFINER"]; {
		case !known || restored[definer]: // one privilege is for both
		case there == nil:
			r.global("without it nothing can have a definer that does not exist, and which do the account may not read (SELECT ON mysql.* instead)", "ALLOW_NONEXISTENT_DEFINER")
		case !there[definer]:
			r.global("without it nothing can have a definer that does not exist, such as "+definer, "ALLOW_NONEXISTENT_DEFINER")
		}
		if strong[definer] || there == nil && strings.HasPrefix(definer, "'root'@") {
			r.global("without it nothing can have a definer that is a SYSTEM_USER", "SYSTEM_USER")
		}
	}
	return nil
}

// accounts returns the accounts of the server, and those that are SYSTEM_USER.
// Where it may not be asked, there is nil.
func (c *client) accounts(ctx context.Context) (there, strong map[string]bool, err error) {
	records, err := queryRecords(ctx, c, "SELECT u.User AS user, u.Host AS host, EXISTS (SELECT 1 FROM mysql.global_grants g"+
		" WHERE g.USER = u.User AND g.HOST = u.Host AND g.PRIV = 'SYSTEM_USER') AS strong FROM mysql.user u")
	if isDenied(err) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	there, strong = map[string]bool{}, map[string]bool{}
	for _, r := range records {
		account := quoteText(r.text("user")) + "@" + quoteText(r.text("host"))
		there[account] = true
		strong[account] = r.text("strong") == "1"
	}
	return there, strong, nil
}

// needSwitches requires that the server's own switches are no obstacle, or
// that the account may set them aside.
func (c *client) needSwitches(r *requirement, p *restoration) {
	is := func(name string) bool { return c.facts.variables[name] == "ON" }
	if c.readOnly(r.held) && !p.target.follows() { // a replica is refused as such
		r.add(missing{why: "the target is read-only", instead: "SET GLOBAL super_read_only = OFF, read_only = OFF; where the target is no replica."})
	}
	if c.server.settings.DisableRedoLog {
		r.globalOr("leave disableRedoLog out of the settings of the target", "without it the redo log cannot be switched off, as disableRedoLog asks for", "INNODB_REDO_LOG_ENABLE")
	}
	if is("log_bin") && c.server.settings.Binlog == BinlogOff {
		r.globalOr("set binlog: auto in the settings of the target", "without it the restore cannot be left out of the binary log, as binlog: off asks for",
			"SESSION_VARIABLES_ADMIN", "SYSTEM_VARIABLES_ADMIN", "SUPER")
	}
	for _, schema := range p.schemas {
		needless, keyless := schema.odd()
		if keyless && (is("sql_require_primary_key") || is("sql_generate_invisible_primary_key")) {
			r.global("without it a table that has no primary key cannot be created as it was, since the target wants one", "SESSION_VARIABLES_ADMIN", "SYSTEM_VARIABLES_ADMIN", "SUPER")
		}
		if needless && is("restrict_fk_on_non_standard_key") {
			r.global("without it a foreign key cannot refer to a key that is not unique, which the target restricts", "SESSION_VARIABLES_ADMIN", "SYSTEM_VARIABLES_ADMIN", "SUPER")
		}
		if !is("automatic_sp_privileges") && slices.ContainsFunc(schema.Views, func(o object) bool { return o.Broken }) {
			r.onSchema(schema.target, "ALTER ROUTINE", "without it what stands in for what a broken view lacks cannot be removed")
		}
		if is("log_bin") && !is("log_bin_trust_function_creators") {
			r.forBinlog(schema)
		}
	}
}

// readOnly reports whether the server takes nothing from the account.
func (c *client) readOnly(held *privileges) bool {
	return c.facts.variables["super_read_only"] == "ON" || c.facts.variables["read_only"] == "ON" && !held.anywhere("CONNECTION_ADMIN", "SUPER")
}

// odd reports whether a foreign key refers to what is not a whole unique key,
// and whether a table has no primary key.
func (p *schemaPlan) odd() (foreignKey, keyless bool) {
	unique := map[string][]string{}
	var keys [][2]string // table and columns that are referred to
	for i := range p.Tables {
		parts, err := parseCreateTable(p.Tables[i].Create)
		if err != nil {
			continue
		}
		keyless = keyless || parts.primary == ""
		for _, key := range append([]string{parts.primary}, parts.unique...) {
			unique[p.Tables[i].Name] = append(unique[p.Tables[i].Name], columnsOf(key))
		}
		for _, key := range parts.foreignKeys {
			if match := referenced.FindStringSubmatch(key); match != nil && match[1] == "" {
				keys = append(keys, [2]string{unquoteName(match[2]), columnsOf("(" + match[3] + ")")})
			}
		}
	}
	for _, key := range keys {
		there, ok := unique[key[0]] // no server looks at the keys of a table that is not there
		foreignKey = foreignKey || ok && !slices.Contains(there, key[1])
	}
	return foreignKey, keyless
}

// columnsOf returns the list in parentheses, without blanks behind commas.
func columnsOf(key string) string {
	_, list, _ := strings.Cut(key, "(")
	list, _, _ = strings.Cut(list, ")")
	return strings.ReplaceAll(list, ", ", ",")
}

// declaredSafe is a line that says of a function what the binary log wants.
var declaredSafe = regexp.MustCompile(`(?m)^    (DETERMINISTIC|NO SQL|READS SQL DATA)$`)

// forBinlog requires what a server wants that logs statements, and does not
// trust whoever creates functions and triggers.
func (r *requirement) forBinlog(p *schemaPlan) {
	trust := missing{
		why:     "functions and triggers cannot be created: the target keeps a binary log, and log_bin_trust_function_creators is OFF",
		instead: "SET GLOBAL log_bin_trust_function_creators = ON;",
	}
	for _, o := range p.objects() {
		switch {
		case o.Type == typeFunction && !declaredSafe.Match(o.Create):
			r.add(trust)
		case (o.Type == typeFunction || o.Type == typeTrigger) && !r.held.anywhere("SUPER"):
			r.add(trust)
		}
	}
}
