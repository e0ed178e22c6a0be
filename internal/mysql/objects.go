package mysql

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// createObjects creates objects in the order that is given. A view may need
// another one: whatever fails is tried again as long as others succeed.
func (l *load) createObjects(ctx context.Context, schema *schemaPlan, objects []object) error {
	if _, err := l.main.ExecContext(ctx, "USE "+quoteName(schema.target)); err != nil {
		return clean(err)
	}
	var broken, open []object
	for _, o := range objects {
		if o.Broken {
			broken = append(broken, o)
		} else {
			open = append(open, o)
		}
	}
	for len(open) > 0 {
		var again []object
		var failure error
		for i := range open {
			err := l.createObject(ctx, schema, &open[i])
			if open[i].Type == typeView && isServer(err, erNoSuchTable, erViewInvalid, erBadField, erRoutineMissing) {
				again = append(again, open[i])
				failure = err
			} else if err != nil {
				return l.explain(&open[i], err)
			}
		}
		if len(again) == len(open) {
			return l.explain(&again[len(again)-1], failure)
		}
		open = again
	}
	return l.createBroken(ctx, schema, broken)
}

// createObject creates one object in the session in which it was once created.
// Its error is the server's own.
func (l *load) createObject(ctx context.Context, schema *schemaPlan, o *object) (err error) {
	statements := o.session()
	if o.SchemaCollation != "" && o.SchemaCollation != schema.Collation {
		// The schema's collation of that day is part of what a routine means.
		alter := "ALTER DATABASE " + quoteName(schema.target) + " COLLATE "
		statements = append(statements, alter+o.SchemaCollation)
		defer func() {
			_, back := l.main.ExecContext(ctx, alter+schema.Collation)
			err = errors.Join(err, back)
		}()
	}
	for _, statement := range append(statements, string(o.Create)) {
		if err := l.define(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// explain says what an operator can do about an object that is refused.
func (l *load) explain(o *object, err error) error {
	label := strings.ToLower(o.Type) + " " + quoteName(o.Name)
	switch {
	case isDenied(err):
		return l.client.server.usage("restore into", "account %q may not create %s with definer %s", l.client.server.settings.User, label, o.Definer).
			Hint("GRANT SET_ANY_DEFINER, ALLOW_NONEXISTENT_DEFINER ON *.* to the account (before MySQL 8.2: SET_USER_ID), and SYSTEM_USER where the definer has that")
	case isServer(err, erRoutineUnsafe, erRoutineNoSuper):
		return l.client.server.usage("restore into", "create %s: %w", label, clean(err)).
			Hint("SET GLOBAL log_bin_trust_function_creators = ON while the restore runs")
	default:
		return fmt.Errorf("create %s: %w", label, clean(err))
	}
}
