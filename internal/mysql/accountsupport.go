package mysql

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/quantity"
)

// accountSupport is what a server can take of accounts.
type accountSupport struct {
	plugins        map[string]bool // for authentication, and active
	privileges     map[string]bool
	partialRevokes bool
}

func askAccountSupport(ctx context.Context, q querier) (accountSupport, error) {
	s := accountSupport{plugins: map[string]bool{}, privileges: map[string]bool{}}
	plugins, err := queryRecords(ctx, q, "SELECT PLUGIN_NAME AS name FROM information_schema.PLUGINS WHERE PLUGIN_TYPE = 'AUTHENTICATION' AND PLUGIN_STATUS = 'ACTIVE'")
	if err != nil {
		return s, fmt.Errorf("ask for plugins: %w", err)
	}
	for _, r := range plugins {
		s.plugins[r.text("name")] = true
	}
	privileges, err := queryRecords(ctx, q, "SHOW PRIVILEGES")
	if err != nil {
		return s, fmt.Errorf("ask for privileges that the server knows: %w", err)
	}
	for _, r := range privileges {
		s.privileges[strings.ToUpper(r.text("privilege"))] = true
	}
	s.privileges["ALL PRIVILEGES"] = true
	// Servers before 8.0.16 do not know the variable.
	variables, err := queryRecords(ctx, q, "SHOW GLOBAL VARIABLES LIKE 'partial_revokes'")
	if err != nil {
		return s, fmt.Errorf("ask for partial revokes: %w", err)
	}
	s.partialRevokes = len(variables) == 1 && variables[0].text("value") == "ON"
	return s, nil
}

// warnOfPatterns says so where wildcards in the names of schemas mean another
// thing at the target than where they come from.
func (p *accountPlanner) warnOfPatterns() {
	if p.target.partialRevokes == (p.r.partialRevokes == "ON") {
		return
	}
	n := 0
	for _, a := range p.r.accounts {
		if a.isMade() && slices.ContainsFunc(a.grants, grant.hasWildcards) {
			n++
		}
	}
	if n > 0 {
		p.plan.Warnings = append(p.plan.Warnings, fmt.Sprintf("%s grants with _ or %% in the name of a schema: where partial_revokes is ON these are characters, where it is OFF wildcards, and it is not the same at the target", quantity.Count(n, "account has", "accounts have")))
	}
}

// fitGrants takes from an account's grants what the target would refuse. What
// is left never allows more than what was captured.
func (p *accountPlanner) fitGrants(ctx context.Context, a *accountPlan) error {
	if err := p.fitPartialRevokes(a); err != nil {
		return err
	}
	var fitting []grant
	for i := range a.grants {
		g, err := p.fitPrivileges(a, &a.grants[i])
		if err != nil {
			return err
		}
		why, err := p.lacks(ctx, &g)
		if err != nil {
			return err
		}
		if why != "" {
			if err := p.refuse(a, "GRANT "+g.what()+": "+why, "restore or create that first"); err != nil {
				return err
			}
			continue
		}
		if !g.empty() {
			fitting = append(fitting, g)
		}
	}
	a.grants = fitting
	return nil
}

// fitPartialRevokes leaves out global privileges from which the target cannot
// take away again what the account must not have.
func (p *accountPlanner) fitPartialRevokes(a *accountPlan) error {
	var revoked []string
	for i := range a.grants {
		if a.grants[i].revoke {
			for _, one := range a.grants[i].privileges {
				revoked = append(revoked, one.name)
			}
		}
	}
	if len(revoked) == 0 || p.target.partialRevokes {
		return nil
	}
	slices.Sort(revoked)
	revoked = slices.Compact(revoked)
	why := "it holds " + strings.Join(revoked, ", ") + " globally but for some schemas, and partial_revokes is OFF at the target; without it none of them can be given globally"
	if err := p.refuse(a, why, "SET PERSIST partial_revokes = ON on the target"); err != nil {
		return err
	}
	a.grants = slices.DeleteFunc(a.grants, func(g grant) bool { return g.revoke })
	for i := range a.grants {
		if a.grants[i].schema == "" {
			a.grants[i] = a.grants[i].without(func(one privilege) bool { return slices.Contains(revoked, one.name) })
		}
	}
	return nil
}

// fitPrivileges leaves out privileges that the target has never heard of.
func (p *accountPlanner) fitPrivileges(a *accountPlan, g *grant) (grant, error) {
	unknown := func(one privilege) bool { return !p.target.privileges[one.name] }
	for _, one := range g.privileges {
		if !unknown(one) {
			continue
		}
		if err := p.refuse(a, "the target does not know the privilege "+one.name, "install the component that registers it on the target"); err != nil {
			return grant{}, err
		}
	}
	return g.without(unknown), nil
}

// lacks says what of a grant's objects will not be there; "" is good. A grant
// on a whole table needs no table.
func (p *accountPlanner) lacks(ctx context.Context, g *grant) (string, error) {
	for _, role := range g.roles {
		if !p.willExist(role) {
			return "there is no such role", nil
		}
	}
	onColumns := slices.ContainsFunc(g.privileges, func(one privilege) bool { return one.columns != nil })
	if g.object == "" || (g.kind == "" && !onColumns) {
		return "", nil
	}
	query := "SELECT COUNT(*) AS n FROM information_schema.TABLES WHERE TABLE_SCHEMA = " + quoteText(g.schema) + " AND TABLE_NAME = " + quoteText(g.object)
	if g.kind == typeProcedure || g.kind == typeFunction {
		query = "SELECT COUNT(*) AS n FROM information_schema.ROUTINES WHERE ROUTINE_TYPE = '" + g.kind + "' AND ROUTINE_SCHEMA = " + quoteText(g.schema) +
			" AND ROUTINE_NAME = " + quoteText(g.object)
	} else if g.kind != "" {
		return "", nil // not known here: the server will say
	}
	for _, schema := range p.r.schemas {
		if schema.target != g.schema {
			continue
		}
		if schema.defines(g.kind, g.object) {
			return "", nil
		}
		if schema.whole {
			return "there is no such object in the point", nil
		}
	}
	r, err := queryRecord(ctx, p.conn, query)
	if err != nil {
		return "", err
	}
	if r.number("n") == 0 {
		return "there is no such object at the target", nil
	}
	return "", nil
}

// willExist reports whether an account is there once all are restored.
func (p *accountPlanner) willExist(name accountName) bool {
	planned := slices.ContainsFunc(p.r.accounts, func(a *accountPlan) bool { return a.accountName == name && a.fate != fateOmit })
	existing := p.there[name]
	return planned || existing != nil && existing.Require != barred
}

// defines reports whether the schema has a table or view, or a routine.
func (d *schemaDefinition) defines(kind, name string) bool {
	named := func(o object) bool { return strings.EqualFold(o.Name, name) }
	if kind != "" {
		return slices.ContainsFunc(d.Routines, func(o object) bool { return o.Type == kind && named(o) })
	}
	return slices.ContainsFunc(d.Views, named) || slices.ContainsFunc(d.Tables, func(t table) bool { return t.Name == name })
}
