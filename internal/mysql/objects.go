package mysql

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// createRoutines comes before the rows: nothing that a routine refers to is
// looked up when it is created, and views need it.
func (l *load) createRoutines(ctx context.Context, schema *schemaPlan) error {
	return l.createAll(ctx, schema, schema.Routines)
}

// createViews creates the views of all schemas that can be had, in whatever
// order works: one may need another of any schema, so whatever fails is tried
// again as long as others succeed.
func (l *load) createViews(ctx context.Context, schemas []*schemaPlan) error {
	type view struct {
		schema *schemaPlan
		*object
	}
	var open []view
	for _, schema := range schemas {
		for i := range schema.Views {
			if !schema.Views[i].Broken {
				open = append(open, view{schema, &schema.Views[i]})
			}
		}
	}
	for len(open) > 0 {
		var again []view
		var failure error
		for _, v := range open {
			err := l.createObject(ctx, v.schema, v.object)
			if isServer(err, erNoSuchTable, erViewInvalid, erBadField, erRoutineMissing) {
				again = append(again, v)
				failure = err
			} else if err != nil {
				return l.explain(v.object, err)
			}
		}
		if len(again) == len(open) {
			return l.explain(again[len(again)-1].object, failure)
		}
		open = again
	}
	return nil
}

// createActors comes last: triggers and events must not act on the load.
func (l *load) createActors(ctx context.Context, schema *schemaPlan) error {
	if err := l.createAll(ctx, schema, schema.Triggers); err != nil {
		return err
	}
	return l.createAll(ctx, schema, schema.Events)
}

func (l *load) createAll(ctx context.Context, schema *schemaPlan, objects []object) error {
	for i := range objects {
		if err := l.createObject(ctx, schema, &objects[i]); err != nil {
			return l.explain(&objects[i], err)
		}
	}
	return nil
}

// createObject creates one object in the session in which it was once created.
// Its error is the server's own.
func (l *load) createObject(ctx context.Context, schema *schemaPlan, o *object) (err error) {
	statements := append([]string{"USE " + quoteName(schema.target)}, o.session()...)
	if o.SchemaCollation != "" && o.SchemaCollation != schema.Collation {
		// The schema's collation of that day is part of what a routine means.
		alter := "ALTER DATABASE " + quoteName(schema.target) + " COLLATE "
		statements = append(statements, alter+o.SchemaCollation)
		defer func() {
			_, back := l.objects.ExecContext(ctx, alter+schema.Collation)
			err = errors.Join(err, back)
		}()
	}
	for _, statement := range append(statements, string(o.Create)) {
		if err := define(ctx, l.objects, statement); err != nil {
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
