package mysql

import (
	"slices"
	"strings"
)

// grant is one line of SHOW GRANTS, taken apart. Exactly one of privileges,
// roles, proxied and text is set.
type grant struct {
	privileges []privilege
	roles      []accountName // granted as roles
	proxied    *accountName  // whose proxy the account may be
	text       string        // a line that is not understood, as it stands

	revoke bool   // a partial revoke: it takes from what is granted globally
	option bool   // WITH GRANT OPTION or WITH ADMIN OPTION
	kind   string // of the object where it is no table: PROCEDURE, FUNCTION
	schema string // a pattern, or with an object a name; empty: global
	object string // empty: everything in the schema
}

// privilege is one privilege of a grant, perhaps on some columns only.
type privilege struct {
	name    string
	columns []string
}

// parseGrant takes a line of SHOW GRANTS apart, as it is printed under an
// empty sql_mode. What it does not understand is kept as text.
func parseGrant(line string) grant {
	p := &grantParser{rest: line}
	g := grant{}
	switch {
	case p.skip("REVOKE "):
		g.revoke = true
		p.privileges(&g)
	case p.skip("GRANT PROXY ON "):
		proxied := p.account()
		g.proxied = &proxied
	case p.skip("GRANT "):
		if strings.HasPrefix(p.rest, "`") {
			p.roles(&g)
		} else {
			p.privileges(&g)
		}
	default:
		p.failed = true
	}
	p.require(p.skip(" TO ") || p.skip(" FROM "))
	p.account()
	g.option = p.skip(" WITH GRANT OPTION") || p.skip(" WITH ADMIN OPTION")
	if p.failed || p.rest != "" {
		return grant{text: line}
	}
	return g
}

// grantParser reads a line from left to right; failed says that it is not of
// a known form.
type grantParser struct {
	rest   string
	failed bool
}

func (p *grantParser) require(ok bool) { p.failed = p.failed || !ok }

func (p *grantParser) skip(prefix string) bool {
	rest, ok := strings.CutPrefix(p.rest, prefix)
	p.rest = rest
	return ok
}

// name reads a quoted identifier.
func (p *grantParser) name() string {
	p.require(p.skip("`"))
	var b strings.Builder
	for !p.failed {
		part, rest, found := strings.Cut(p.rest, "`")
		p.require(found)
		b.WriteString(part)
		p.rest = rest
		if !p.skip("`") {
			break
		}
		b.WriteByte('`')
	}
	return b.String()
}

func (p *grantParser) account() accountName {
	user := p.name()
	p.require(p.skip("@"))
	return accountName{user, p.name()}
}

func (p *grantParser) roles(g *grant) {
	g.roles = append(g.roles, p.account())
	for p.skip(",") {
		p.skip(" ")
		g.roles = append(g.roles, p.account())
	}
}

// privileges reads names, some with columns, and what they are on.
func (p *grantParser) privileges(g *grant) {
	for !p.failed {
		one := privilege{name: p.word()}
		if p.skip(" (") {
			one.columns = append(one.columns, p.name())
			for p.skip(", ") {
				one.columns = append(one.columns, p.name())
			}
			p.require(p.skip(")"))
		}
		g.privileges = append(g.privileges, one)
		if !p.skip(",") {
			break
		}
		p.skip(" ")
	}
	p.require(p.skip(" ON "))
	if p.skip("*.*") {
		return
	}
	if !strings.HasPrefix(p.rest, "`") {
		g.kind = p.word()
		p.require(p.skip(" "))
	}
	g.schema = p.name()
	if !p.skip(".*") {
		p.require(p.skip("."))
		g.object = p.name()
	}
}

// word reads words in capitals: ALL PRIVILEGES, BACKUP_ADMIN.
func (p *grantParser) word() string {
	end := 0
	for end < len(p.rest) && !strings.ContainsRune(",(`*", rune(p.rest[end])) && !strings.HasPrefix(p.rest[end:], " ON ") {
		end++
	}
	text := strings.TrimRight(p.rest[:end], " ")
	p.require(text != "")
	p.rest = p.rest[len(text):]
	return text
}

// statement gives the grant to an account.
func (g *grant) statement(to accountName) string {
	verb, preposition, option := "GRANT ", " TO ", ""
	if g.revoke {
		verb, preposition = "REVOKE ", " FROM "
	}
	if g.option {
		option = " WITH GRANT OPTION"
		if g.roles != nil {
			option = " WITH ADMIN OPTION"
		}
	}
	if g.text != "" {
		return g.text
	}
	return verb + g.what() + preposition + to.quoted() + option
}

// what is granted, and on what.
func (g *grant) what() string {
	switch {
	case g.proxied != nil:
		return "PROXY ON " + g.proxied.quoted()
	case g.roles != nil:
		return quoteAccounts(g.roles)
	}
	names := make([]string, len(g.privileges))
	for i, p := range g.privileges {
		names[i] = p.String()
	}
	return strings.Join(names, ", ") + " ON " + g.on()
}

func (p privilege) String() string {
	if p.columns == nil {
		return p.name
	}
	return p.name + " (" + quoteNames(p.columns) + ")"
}

// on spells what the privileges are on.
func (g *grant) on() string {
	on := "*.*"
	if g.schema != "" {
		on = quoteName(g.schema) + ".*"
	}
	if g.object != "" {
		on = quoteName(g.schema) + "." + quoteName(g.object)
	}
	if g.kind != "" {
		on = g.kind + " " + on
	}
	return on
}

// atoms are the single rights that the grant consists of: the server prints
// them in lines of its own choice, and two accounts with the same atoms may do
// the same.
func (g *grant) atoms() []string {
	option := ""
	if g.option {
		option = " WITH OPTION"
	}
	switch {
	case g.text != "":
		return []string{g.text}
	case g.proxied != nil:
		return []string{g.what() + option}
	case g.roles != nil:
		var atoms []string
		for _, role := range g.roles {
			atoms = append(atoms, "role "+role.quoted()+option)
		}
		return atoms
	}
	return g.privilegeAtoms()
}

func (g *grant) privilegeAtoms() []string {
	verb := ""
	if g.revoke {
		verb = "REVOKE "
	}
	var atoms []string
	static := false
	for _, p := range g.privileges {
		on := " ON " + g.on()
		// Of dynamic privileges each may be passed on or not, of the others
		// all on one level or none.
		if !p.dynamic() {
			static = true
		} else if g.option {
			on += " WITH OPTION"
		}
		switch {
		case p.name == privilegeUsage:
		case p.columns == nil:
			atoms = append(atoms, verb+p.name+on)
		}
		for _, column := range p.columns {
			atoms = append(atoms, verb+p.name+" ("+quoteName(column)+")"+on)
		}
	}
	if static && g.option {
		atoms = append(atoms, "GRANT OPTION ON "+g.on())
	}
	return atoms
}

// privilegeUsage stands for no privilege at all.
const privilegeUsage = "USAGE"

// dynamic privileges are registered by parts of the server while it runs; the
// names of the others have no underscore.
func (p privilege) dynamic() bool { return strings.Contains(p.name, "_") }

// needsObjects reports whether the grant is on a single table or routine,
// which has to be there.
func (g *grant) needsObjects() bool { return g.object != "" }

// without returns the grant without the privileges that match.
func (g *grant) without(match func(privilege) bool) grant {
	rest := *g
	rest.privileges = slices.DeleteFunc(slices.Clone(g.privileges), match)
	return rest
}

// empty reports whether nothing of the grant is left.
func (g *grant) empty() bool {
	return len(g.privileges) == 0 && g.roles == nil && g.proxied == nil && g.text == ""
}

// renamed returns the grant for schemas that have another name at the target.
// A pattern follows where it stands for one schema; most people write the name
// without escaping its underscores. It reports false for one with wildcards
// that matches a renamed schema and cannot follow.
func (g *grant) renamed(names map[string]string) (_ grant, follows bool) {
	moved := *g
	if name, ok := names[g.schema]; ok {
		moved.schema = name
		return moved, true
	}
	if g.object != "" || g.schema == "" {
		return moved, true
	}
	if name, ok := names[unescapePattern(g.schema)]; ok {
		moved.schema = patternEscapes.Replace(name)
		return moved, true
	}
	for old := range names {
		if likeMatches(g.schema, old) {
			return moved, false
		}
	}
	return moved, true
}

// hasWildcards reports whether the schema of a grant holds what may be a
// wildcard or an escape of one.
func (g grant) hasWildcards() bool { return g.object == "" && strings.ContainsAny(g.schema, `_%\`) }

var patternEscapes = strings.NewReplacer("_", `\_`, "%", `\%`)

// unescapePattern returns the name that a pattern stands for. A pattern with
// wildcards comes out as no name that it matches alone.
func unescapePattern(pattern string) string {
	if strings.ContainsAny(strings.NewReplacer(`\_`, "", `\%`, "").Replace(pattern), "_%") {
		return ""
	}
	return strings.NewReplacer(`\_`, "_", `\%`, "%").Replace(pattern)
}

// rights are the sorted atoms of several grants.
func rights(grants []grant) []string {
	var all []string
	for i := range grants {
		all = append(all, grants[i].atoms()...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
