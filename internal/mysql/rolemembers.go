package mysql

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// roleMember is a role that an account of the target has. The server forgets it
// with the role, and so does a role that is replaced.
type roleMember struct {
	Role    accountName `json:"role"`
	Member  accountName `json:"member"`
	Admin   bool        `json:"admin"`   // the member may pass it on
	Default bool        `json:"default"` // it is active when the member logs in
}

// keepMembers finds out who has the roles that are replaced, and keeps that for
// whoever goes on with the restore: by then the server may not know it any more.
func (l *load) keepMembers(ctx context.Context) ([]roleMember, error) {
	members, err := l.formerMembers(ctx)
	if err != nil {
		return nil, err
	}
	for _, role := range l.plan.accounts {
		if role.fate != fateReplace {
			continue
		}
		found, err := l.membersOf(ctx, role.accountName)
		if err != nil {
			return nil, err
		}
		for _, m := range found {
			if !slices.ContainsFunc(members, m.same) {
				members = append(members, m)
			}
		}
	}
	if len(members) == 0 || l.plan.attempt.Keep == nil {
		return members, nil
	}
	data, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	return members, l.plan.attempt.Keep(ctx, data)
}

func (m roleMember) same(other roleMember) bool {
	return m.Role == other.Role && m.Member == other.Member
}

// formerMembers are those that an earlier process has kept, of roles that are not
// whole again, without who is gone or comes back with roles of their own.
func (l *load) formerMembers(ctx context.Context) ([]roleMember, error) {
	if l.plan.attempt.Kept == nil {
		return nil, nil
	}
	var kept, members []roleMember
	if json.Unmarshal(l.plan.attempt.Kept, &kept) != nil { // its error could quote a name
		return nil, errors.New("read which accounts have had the roles that are replaced: it is not of the form that it should have")
	}
	for _, m := range kept {
		if !l.plan.makes(m.Role) || l.plan.makes(m.Member) {
			continue
		}
		there, err := queryRecords(ctx, l.main, "SELECT 1 FROM mysql.user WHERE User = "+quoteText(m.Member.User)+" AND Host = "+quoteText(m.Member.Host))
		if err != nil {
			return nil, fmt.Errorf("look for members of %s: %w", m.Role, err)
		}
		if len(there) > 0 {
			members = append(members, m)
		}
	}
	return members, nil
}

// membersOf asks the server who has a role, without those who get the captured
// ones.
func (l *load) membersOf(ctx context.Context, role accountName) (members []roleMember, err error) {
	records, err := queryRecords(ctx, l.main, "SELECT * FROM mysql.role_edges WHERE FROM_USER = "+quoteText(role.User)+" AND FROM_HOST = "+quoteText(role.Host))
	if err != nil {
		return nil, fmt.Errorf("look for members of %s: %w", role, err)
	}
	for _, r := range records {
		m := roleMember{Role: role, Member: accountName{r.text("to_user"), r.text("to_host")}, Admin: r.text("with_admin_option") == "Y"}
		m.Default = slices.Contains(l.plan.formerDefaults[m.Member], role)
		if !l.plan.makes(m.Member) {
			members = append(members, m)
		}
	}
	return members, nil
}

// makes reports whether the restore creates an account.
func (r *restoration) makes(name accountName) bool {
	return slices.ContainsFunc(r.accounts, func(a *accountPlan) bool { return a.accountName == name && a.isMade() })
}

// giveBack returns what gives members their roles back: all of these first, since
// only what somebody has can be a default.
func (l *load) giveBack(members []roleMember) (statements []string) {
	defaults := map[accountName][]accountName{}
	for _, m := range members {
		g := grant{roles: []accountName{m.Role}, option: m.Admin}
		statements = append(statements, g.statement(m.Member))
		if !m.Default {
			continue
		}
		if defaults[m.Member] == nil {
			defaults[m.Member] = slices.Clone(l.plan.formerDefaults[m.Member])
		}
		if !slices.Contains(defaults[m.Member], m.Role) {
			defaults[m.Member] = append(defaults[m.Member], m.Role)
		}
	}
	for _, m := range members {
		member := accountDefinition{accountName: m.Member, DefaultRoles: defaults[m.Member]}
		if statement := member.setDefaultRoles(); statement != "" && !slices.Contains(statements, statement) {
			statements = append(statements, statement)
		}
	}
	return statements
}
