package mysql

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/openim-dr/openim-dr/internal/seal"
)

// usersFile is for people with the stock client.
const usersFile = "users.sql"

// Codes of warnings about accounts.
const (
	warnSecondPassword  = "mysql.account.second-password"
	warnAccountsChanged = "mysql.account.changed"
)

// CapturedAccounts is what the manifest says of accounts: no name, and nothing
// that a hash could be guessed from.
type CapturedAccounts struct {
	Count  int         `json:"count"`
	Grants int         `json:"grants"`
	Digest seal.Digest `json:"digest"`
}

// readAccounts reads users, roles and grants. They are of the moment before
// the snapshot, since no snapshot covers what SHOW says; the backup lock holds
// changes off where it is had.
func (d *dump) readAccounts(ctx context.Context) (err error) {
	if d.server.settings.Accounts == NoAccounts {
		return nil
	}
	d.accounts, err = d.currentAccounts(ctx)
	return err
}

func (d *dump) currentAccounts(ctx context.Context) ([]*accountDefinition, error) {
	c := catalog{conn: d.coordinator, server: d.server}
	accounts, err := c.accounts(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(accounts, func(a *accountDefinition) bool { return a.matchesAny(d.server.settings.ExcludeAccounts) }), nil
}

// noteChangedAccounts compares the accounts with those of before the snapshot.
// A change does not fail the dump, as one of a table would: some deployments
// make and drop accounts every minute. But the point says so.
func (d *dump) noteChangedAccounts(ctx context.Context) error {
	if d.server.settings.Accounts == NoAccounts {
		return nil
	}
	now, err := d.currentAccounts(ctx)
	if err != nil {
		return err
	}
	there := accountsByName(now)
	changed := int64(0)
	for _, a := range d.accounts {
		if g := there[a.accountName]; g == nil || g.canonical() != a.canonical() {
			changed++
		}
		delete(there, a.accountName)
	}
	if changed += int64(len(there)); changed > 0 {
		d.draft.Warn(warnAccountsChanged, changed)
	}
	return nil
}

// writeAccounts stores what the loader needs and what a person needs.
func (d *dump) writeAccounts(ctx context.Context) error {
	if d.server.settings.Accounts == NoAccounts {
		return nil
	}
	list := accountList{Version: accountsVersion, Accounts: d.accounts}
	if err := d.store(ctx, func(w io.Writer) error { return json.NewEncoder(w).Encode(list) }, accountsFile); err != nil {
		return err
	}
	if err := d.store(ctx, d.writeUsers, usersFile); err != nil {
		return err
	}
	return d.noteSecondPasswords(ctx)
}

// noteSecondPasswords says which accounts will lose one on the way.
func (d *dump) noteSecondPasswords(ctx context.Context) error {
	var names []string
	for _, a := range d.accounts {
		if a.SecondPassword {
			names = append(names, a.String())
		}
	}
	if len(names) == 0 {
		return nil
	}
	d.draft.Warn(warnSecondPassword, int64(len(names)))
	return d.draft.Detail(map[string]any{"warning": warnSecondPassword, "accounts": names})
}

// capturedAccounts is nil where accounts were not captured.
func (d *dump) capturedAccounts() *CapturedAccounts {
	if d.server.settings.Accounts == NoAccounts {
		return nil
	}
	c := &CapturedAccounts{Count: len(d.accounts), Digest: digestAccounts(d.key, d.accounts)}
	for _, a := range d.accounts {
		c.Grants += len(a.Grants)
	}
	return c
}

const usersHead = `-- Written by openim-dr. To restore by hand: run this last, when schemas, tables
-- and routines are there, with the option --force, so that what the server
-- refuses is shown and the rest goes on. An account that exists keeps its
-- password; its grants are added to.
SET NAMES utf8mb4;
SET sql_mode = '';
`

// writeUsers writes users.sql: first every account, since roles are granted
// and proxied accounts named before their turn would come.
func (d *dump) writeUsers(to io.Writer) error {
	w := scriptWriter{bufio.NewWriter(to)}
	w.add(usersHead)
	for _, a := range d.accounts {
		create := "CREATE USER IF NOT EXISTS" + string(a.Create[len(createUser):])
		w.add(fmt.Sprintf("%s REQUIRE %s%s;\n", create, a.Require, a.Options))
	}
	for _, a := range d.accounts {
		grants := inOrder(a.parsedGrants())
		for i := range grants {
			w.add(grants[i].statement(a.accountName) + ";\n")
		}
		if statement := takeBackGrantOption(a.accountName, grants); statement != "" {
			w.add(statement + ";\n")
		}
	}
	for _, a := range d.accounts {
		if statement := a.setDefaultRoles(); statement != "" {
			w.add(statement + ";\n")
		}
	}
	return w.to.Flush()
}
