package mysql

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

// fate is what a restore does to an account.
type fate int

const (
	fateCreate  fate = iota // it is not there
	fateReplace             // it differs, and the settings say replace
	fateKeep                // it differs, and stays
	fateEqual               // it is there already
	fateOwn                 // it is the one that restores
	fateOmit                // the target cannot take it, and the settings say skip
)

// accountPlan is one account on its way back.
type accountPlan struct {
	*accountDefinition
	grants []grant // what can be given at the target, under the names there
	fate   fate
	former *accountDefinition // what it replaces
	kept   bool               // the restore has left it as it was
}

// equals compares with what is at a target.
func (a *accountPlan) equals(got *accountDefinition) bool {
	return a.identity() == got.identity() && slices.Equal(rights(a.grants), rights(got.parsedGrants()))
}

// chooseAccounts reads the accounts that are wanted: all of them with a whole
// source, those that a pattern with an @ asks for otherwise.
func (s *Server) chooseAccounts(ctx context.Context, from *repository.SourceReader, recorded *Captured, want source.Selection, r *restoration) error {
	switch none := s.settings.Accounts == NoAccounts; {
	case recorded.Accounts == nil && none:
		return nil
	case recorded.Accounts == nil:
		r.accountNote = "the point holds no users, roles and grants: the source's settings said accounts: none"
		return nil
	case none:
		r.accountNote = "the " + quantity.Count(recorded.Accounts.Count, "account of the point is", "accounts of the point are") + " left out: the settings of the target say accounts: none"
		return nil
	}
	asked := slices.ContainsFunc(want.Include, isAccountPattern)
	whole := len(want.Include) == 0 && (isRollback(from) || len(r.schemas) == len(recorded.Schemas) &&
		!slices.ContainsFunc(r.schemas, func(schema *schemaPlan) bool { return !schema.whole }))
	if !asked && !whole {
		r.accountsLeftOut = recorded.Accounts.Count
		return nil
	}
	r.partialRevokes = recorded.Variables["partial_revokes"]
	list, err := readAccountList(ctx, from)
	if want.Damage.Tolerates(err) {
		want.Damage.Add(source.Lost{Object: "accounts", What: fmt.Sprintf("all %d", recorded.Accounts.Count), Why: err.Error(), Include: "*@*"})
		return nil
	}
	if err != nil {
		return err
	}
	for _, a := range list.Accounts {
		switch {
		case a.matchesAny(want.Exclude) || a.matchesAny(s.settings.ExcludeAccounts):
		case asked && !a.matchesAny(want.Include):
		default:
			r.accounts = append(r.accounts, &accountPlan{accountDefinition: a})
		}
	}
	return nil
}

// readAccountList reads the accounts of a point, to their verified end.
func readAccountList(ctx context.Context, from *repository.SourceReader) (_ *accountList, err error) {
	file, err := from.Open(ctx, accountsFile)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	data, err := io.ReadAll(file)
	if err != nil {
		return nil, fmt.Errorf("read accounts: %w", err)
	}
	list := new(accountList)
	if json.Unmarshal(data, list) != nil { // its error could quote a hash
		return nil, fault.New(fault.Corrupt, "read accounts", "%s is not of the form that it should have", accountsFile)
	}
	if list.Version != accountsVersion {
		return nil, fault.New(fault.Usage, "read accounts", "their version is %d, and this openim-dr reads %d", list.Version, accountsVersion).
			Hint("use the version of openim-dr that wrote the point, or a newer one")
	}
	return list, nil
}

// accountPlanner decides what becomes of each account.
type accountPlanner struct {
	client *client
	conn   *sql.Conn
	plan   *source.Plan
	r      *restoration
	there  map[accountName]*accountDefinition
	target accountSupport
}

// planAccounts looks at the accounts of the target.
func (c *client) planAccounts(ctx context.Context, plan *source.Plan, r *restoration) error {
	if r.accountNote != "" {
		plan.Warnings = append(plan.Warnings, r.accountNote)
	}
	if r.accountsLeftOut > 0 {
		plan.Warnings = append(plan.Warnings, fmt.Sprintf("the source is restored in part: its %s left out; --include '%s/*@*' asks for accounts", quantity.Count(r.accountsLeftOut, "account is", "accounts are"), c.server.name))
	}
	if len(r.accounts) == 0 {
		return nil
	}
	conn, err := c.session(ctx, c.server.catalogSession()...)
	if err != nil {
		return err
	}
	defer release(conn)
	p := &accountPlanner{client: c, conn: conn, plan: plan, r: r}
	if err := p.look(ctx); err != nil {
		return fmt.Errorf("look at the accounts of %s: %w", c.server.target(), err)
	}
	for _, a := range r.accounts {
		if err := p.decide(a); err != nil {
			return err
		}
	}
	p.warnOfPatterns()
	for _, a := range r.accounts {
		if !a.isMade() {
			continue
		}
		if err := p.fitGrants(ctx, a); err != nil {
			return err
		}
	}
	return p.show()
}

func (p *accountPlanner) look(ctx context.Context) (err error) {
	if p.r.me, err = currentAccount(ctx, p.conn); err != nil {
		return err
	}
	c := catalog{conn: p.conn, server: p.client.server}
	accounts, err := c.accounts(ctx)
	if err != nil {
		return err
	}
	p.there = accountsByName(accounts)
	p.r.formerDefaults = map[accountName][]accountName{}
	for _, a := range accounts {
		p.r.formerDefaults[a.accountName] = a.DefaultRoles
	}
	p.target, err = askAccountSupport(ctx, p.conn)
	return err
}

// decide settles what becomes of one account.
func (p *accountPlanner) decide(a *accountPlan) error {
	a.grants = p.rename(a)
	existing := p.there[a.accountName]
	switch {
	case a.accountName == p.r.me:
		a.fate = fateOwn
		if !a.equals(existing) {
			p.r.deviate("account "+a.String(), "kept", "it is the account that restores, which is never altered")
		}
	case existing == nil || existing.Require == barred:
		a.fate = fateCreate
	case a.equals(existing):
		a.fate = fateEqual
	case p.client.server.settings.ExistingAccounts == ReplaceExisting:
		a.fate, a.former = fateReplace, existing
	default:
		a.fate = fateKeep
	}
	if !a.isMade() {
		return nil
	}
	if a.SecondPassword {
		p.r.deviate("account "+a.String(), "second password", "its former password was still accepted, and no statement of MySQL can carry that")
	}
	for _, plugin := range a.Plugins {
		if p.target.plugins[plugin] {
			continue
		}
		a.fate = fateOmit
		if err := p.refuse(a, "the target lacks its authentication plugin "+plugin, "INSTALL PLUGIN "+plugin+" on the target"); err != nil {
			return err
		}
	}
	return nil
}

// rename lets grants follow schemas that have another name at the target.
func (p *accountPlanner) rename(a *accountPlan) []grant {
	names := map[string]string{}
	for _, schema := range p.r.schemas {
		if schema.target != schema.Name && !schema.aside {
			names[schema.Name] = schema.target
		}
	}
	grants := a.parsedGrants()
	for i := range grants {
		moved, follows := grants[i].renamed(names)
		if !follows {
			p.plan.Warnings = append(p.plan.Warnings, fmt.Sprintf("account %s has a grant on schemas of the form %q, which cannot follow a schema to its new name", a, grants[i].schema))
		}
		grants[i] = moved
	}
	return grants
}

// refuse follows the policy for what the target cannot take: an error, or a
// deviation.
func (p *accountPlanner) refuse(a *accountPlan, why, remedy string) error {
	if p.client.server.settings.RefusedAccounts == SkipRefused {
		p.r.deviate("account "+a.String(), "left out", why)
		return nil
	}
	return p.client.server.usage("restore accounts into", "account %s: %s", a, why).
		Hint("%s; or leave the account out with --exclude '%s/%s@%s', or set refusedAccounts: skip in the settings of the target", remedy, p.client.server.name, a.User, a.Host)
}

// show enters in the plan what is decided.
func (p *accountPlanner) show() error {
	counts := map[fate]int{}
	var replaced []string
	for _, a := range p.r.accounts {
		counts[a.fate]++
		switch a.fate {
		case fateReplace:
			replaced = append(replaced, a.String())
		case fateKeep:
			p.plan.Deviations = append(p.plan.Deviations, a.keptDeviation())
		}
	}
	server := "mysql/" + p.client.server.settings.Address
	if n := counts[fateCreate]; n > 0 {
		p.plan.Steps = append(p.plan.Steps, source.Step{Action: "create " + quantity.Count(n, "account", "accounts"), Target: server})
	}
	if n := counts[fateReplace]; n > 0 {
		// Invariant 5 holds for passwords and grants, too.
		p.plan.Steps = append(p.plan.Steps, source.Step{Action: "replace " + quantity.Count(n, "account", "accounts"), Target: server})
		p.plan.Occupied = append(p.plan.Occupied, source.Occupied{
			Target: p.client.server.schemaTarget(accountsPart), Parts: []string{accountsPart},
			Holds: fmt.Sprintf("%s with other passwords or grants: %s", quantity.Count(n, "account", "accounts"), strings.Join(replaced, ", ")),
		})
	}
	if n := counts[fateEqual] + counts[fateKeep] + counts[fateOwn]; n > 0 {
		p.plan.Steps = append(p.plan.Steps, source.Step{Action: "leave " + quantity.Count(n, "account as it is", "accounts as they are"), Target: server})
	}
	return nil
}

func (a *accountPlan) keptDeviation() source.Deviation {
	return source.Deviation{Object: "account " + a.String(), What: "kept", Why: "it exists at the target with another password, option or grant, and existingAccounts is keep"}
}
