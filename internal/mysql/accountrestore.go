package mysql

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/openim-dr/openim-dr/internal/fault"
)

const createUser = "CREATE USER"

// barred is the requirement under which accounts are created: nobody has such
// a certificate, so nobody logs in before everything is back. It also tells the
// next attempt which accounts a restore that failed has left unfinished.
const barred = "SUBJECT 'openim-dr restores this account'"

// createAccounts creates accounts, barred, and gives them what needs no table:
// before any row is loaded, so that a refusal does not come after hours, and
// before the objects that they define.
func (l *load) createAccounts(ctx context.Context) error {
	members, err := l.keepMembers(ctx)
	if err != nil {
		return err
	}
	for _, a := range l.plan.accounts {
		if a.fate == fateKeep {
			a.kept = true
		}
		if !a.isMade() {
			continue
		}
		if err := l.createAccount(ctx, a, members); err != nil {
			return err
		}
	}
	for _, a := range l.plan.accounts {
		if err := l.give(ctx, a, func(g *grant) bool { return !g.needsObjects() }); err != nil {
			return err
		}
	}
	for _, statement := range l.giveBack(members) {
		if err := l.define(ctx, statement); err != nil {
			return fmt.Errorf("give a replaced role back to its members: %w", clean(err))
		}
	}
	return nil
}

// isMade reports whether the restore creates the account.
func (a *accountPlan) isMade() bool { return a.fate == fateCreate || a.fate == fateReplace }

// createAccount creates one account, in the place of one that a restore has
// left unfinished or that is to be replaced.
func (l *load) createAccount(ctx context.Context, a *accountPlan, members []roleMember) error {
	there, err := queryRecords(ctx, l.main, "SELECT * FROM mysql.user WHERE User = "+quoteText(a.User)+" AND Host = "+quoteText(a.Host))
	if err != nil {
		return fmt.Errorf("look for account %s: %w", a, err)
	}
	for _, r := range there {
		if a.fate != fateReplace && requireClause(r, quoteText) != barred {
			// Invariant 5: what has come since the plan was not agreed to.
			return fault.New(fault.Refused, "restore account "+a.String()+" into", "it was not there when the restore was planned").
				On(l.client.server.target()).Hint("plan the restore again")
		}
		if err := l.define(ctx, "DROP USER "+a.quoted()); err != nil {
			return l.explainAccount(a, "make room for it", err)
		}
	}
	if err := l.define(ctx, a.statement(barred)); err != nil {
		return errors.Join(l.explainAccount(a, "create it", err), l.putBack(ctx, a, members))
	}
	return nil
}

// putBack makes an account anew that was to be replaced and could not be.
func (l *load) putBack(ctx context.Context, a *accountPlan, members []roleMember) error {
	if a.former == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	grants := inOrder(a.former.parsedGrants())
	statements := []string{a.former.statement(a.former.Require)}
	for i := range grants {
		statements = append(statements, grants[i].statement(a.accountName))
	}
	its := slices.DeleteFunc(slices.Clone(members), func(m roleMember) bool { return m.Role != a.accountName })
	statements = append(append(statements, a.former.setDefaultRoles()), l.giveBack(its)...)
	conn, err := l.session(ctx) // a cancellation may have taken the other one with it
	if err != nil {
		return fmt.Errorf("account %s: put back what was there: %w", a, err)
	}
	defer release(conn)
	for _, statement := range statements {
		if statement == "" {
			continue
		}
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("account %s: put back what was there: %w", a, clean(err))
		}
	}
	return nil
}

// finishAccounts gives grants on tables and routines, which are there now,
// sets default roles, and lets people in.
func (l *load) finishAccounts(ctx context.Context) error {
	// The objects have left the session as they were created in: quotes and
	// names could mean another thing in it.
	for _, statement := range l.client.server.loadSession(l.plan) {
		if _, err := l.main.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, clean(err))
		}
	}
	for _, a := range l.plan.accounts {
		if err := l.give(ctx, a, (*grant).needsObjects); err != nil {
			return err
		}
	}
	for _, a := range l.plan.accounts {
		if !a.isMade() {
			continue
		}
		if err := l.setDefaultRoles(ctx, a); err != nil {
			return err
		}
		if err := l.define(ctx, "ALTER USER "+a.quoted()+" REQUIRE "+a.Require); err != nil {
			return l.explainAccount(a, "let it in", err)
		}
	}
	return nil
}

func (l *load) setDefaultRoles(ctx context.Context, a *accountPlan) error {
	statement := a.setDefaultRoles()
	if statement == "" {
		return nil
	}
	err := l.define(ctx, statement)
	if err == nil {
		return nil
	}
	if err := l.refuse(a, "DEFAULT ROLE "+quoteAccounts(a.DefaultRoles), err); err != nil {
		return err
	}
	// The definition is the point's; only this copy goes without.
	reduced := *a.accountDefinition
	reduced.DefaultRoles = nil
	a.accountDefinition = &reduced
	return nil
}

// give gives an account those of its grants that match. What the target
// refuses and the settings allow to skip leaves the plan, so that the
// comparison does not look for it.
func (l *load) give(ctx context.Context, a *accountPlan, match func(*grant) bool) error {
	if !a.isMade() {
		return nil
	}
	var given []grant
	for _, g := range inOrder(a.grants) {
		if !match(&g) {
			given = append(given, g)
			continue
		}
		parts, err := l.giveOne(ctx, a, &g)
		if err != nil {
			return err
		}
		given = append(given, parts...)
	}
	a.grants = given
	return l.takeBackGrantOption(ctx, a)
}

// inOrder puts proxies first, see takeBackGrantOption. The rest stays in the
// server's own order, in which a partial revoke comes after what it takes from.
func inOrder(grants []grant) []grant {
	sorted := slices.Clone(grants)
	slices.SortStableFunc(sorted, func(a, b grant) int {
		switch {
		case (a.proxied != nil) == (b.proxied != nil):
			return 0
		case a.proxied != nil:
			return -1
		default:
			return 1
		}
	})
	return sorted
}

// takeBackGrantOption undoes a habit of the server: whoever gets a proxy with
// the right to pass it on may then pass on all that they have.
func (l *load) takeBackGrantOption(ctx context.Context, a *accountPlan) error {
	statement := takeBackGrantOption(a.accountName, a.grants)
	if statement == "" {
		return nil
	}
	if err := l.define(ctx, statement); err != nil {
		return l.explainAccount(a, "take back the right to grant", err)
	}
	return nil
}

// takeBackGrantOption returns the statement, or "" where nothing is to be
// taken back.
func takeBackGrantOption(from accountName, grants []grant) string {
	proxied := slices.ContainsFunc(grants, func(g grant) bool { return g.proxied != nil && g.option })
	if !proxied || slices.Contains(rights(grants), "GRANT OPTION ON *.*") {
		return ""
	}
	return "REVOKE GRANT OPTION ON *.* FROM " + from.quoted()
}

// giveOne gives one grant and returns what of it was given: where it is
// refused as a whole and that is allowed, the privileges one by one.
func (l *load) giveOne(ctx context.Context, a *accountPlan, g *grant) (given []grant, err error) {
	err = l.giveWithoutTable(ctx, a, g)
	if err == nil {
		return []grant{*g}, nil
	}
	if len(g.privileges) < 2 || l.client.server.settings.RefusedAccounts != SkipRefused || !isRefused(err) {
		return nil, l.refuse(a, g.what(), err)
	}
	for _, one := range g.privileges {
		single := *g
		single.privileges = []privilege{one}
		parts, err := l.giveOne(ctx, a, &single)
		if err != nil {
			return nil, err
		}
		given = append(given, parts...)
	}
	return given, nil
}

// giveWithoutTable also gives what is on a table that is not there: grants
// outlive tables. The server takes them only together with CREATE.
func (l *load) giveWithoutTable(ctx context.Context, a *accountPlan, g *grant) error {
	err := l.define(ctx, g.statement(a.accountName))
	if !isServer(err, erNoSuchTable) {
		return err
	}
	wider := *g
	wider.privileges = append([]privilege{{name: "CREATE"}}, g.privileges...)
	if l.define(ctx, wider.statement(a.accountName)) != nil {
		return err // the first error says more
	}
	return l.define(ctx, "REVOKE CREATE ON "+g.on()+" FROM "+a.quoted())
}

// isRefused reports whether the server will not take an account or a grant,
// however often it is asked.
func isRefused(err error) bool {
	return isDenied(err) || isServer(err, erAccessDenied, erAccessNoPassword, erNoSuchAccount, erNoSuchGrant, erNoSuchTable, erBadField, erRoutineMissing,
		erSyntax, erParse, erUnknownRole, erRoleNotGranted, erGrantCreatesUser, erIllegalGrant, erPluginNotLoaded)
}

// refusal is the server's answer in our words. Of a grant it says "access
// denied" with the number that a wrong password has elsewhere.
func refusal(err error) error {
	if isServer(err, erAccessDenied, erAccessNoPassword) {
		return errors.New("the account that restores may not give it")
	}
	return clean(err)
}

// refuse follows the policy for what the target refuses while it is restored.
func (l *load) refuse(a *accountPlan, what string, err error) error {
	if l.client.server.settings.RefusedAccounts == SkipRefused && isRefused(err) {
		l.plan.deviate("account "+a.String(), "left out", what+": "+refusal(err).Error())
		return nil
	}
	return l.explainAccount(a, "give it "+what, err)
}

// explainAccount says what an operator can do about an account.
func (l *load) explainAccount(a *accountPlan, doing string, err error) error {
	if !isRefused(err) {
		return fmt.Errorf("account %s: %s: %w", a, doing, clean(err))
	}
	hint := "set refusedAccounts: skip in the settings of the target to leave it out, or "
	if isDenied(err) || isServer(err, erAccessDenied, erAccessNoPassword) {
		hint += "give the account that restores what it is to give, WITH GRANT OPTION; SYSTEM_USER, ROLE_ADMIN and PROXY ON ''@'' as well where accounts have such"
	} else {
		hint += "create what is missing on the target"
	}
	return l.client.server.usage("restore account "+a.String()+" into", "%s: %w", doing, refusal(err)).Hint("%s", hint)
}
