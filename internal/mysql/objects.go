package mysql

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// createRoutines comes before the views, which need them; nothing that a
// routine refers to is looked up when it is created.
func (l *load) createRoutines(ctx context.Context, schema *schemaPlan) error {
	return l.createAll(ctx, schema, schema.Routines)
}

// placedView is a view with the schema that it goes to.
type placedView struct {
	schema *schemaPlan
	object
}

// createViews creates the views of all schemas, while the tables are still
// empty: first those that can be had as they are, in whatever order works,
// since one may need another of any schema; then those that need something in
// the place of what is not there.
func (l *load) createViews(ctx context.Context, schemas []*schemaPlan) error {
	var open []placedView
	needing := map[*schemaPlan][]object{}
	orphans := map[*schemaPlan][]object{}
	for _, schema := range schemas {
		for _, o := range schema.Views {
			switch {
			case o.orphan:
				orphans[schema] = append(orphans[schema], o)
			case o.Broken:
				needing[schema] = append(needing[schema], o)
			default:
				open = append(open, placedView{schema, o})
			}
		}
	}
	left, failure, err := l.createInAnyOrder(ctx, open)
	if err != nil {
		return err
	}
	for _, v := range left {
		switch {
		case v.schema.incomplete:
			l.leaveOut(v.schema, v.object)
		case len(orphans) > 0:
			needing[v.schema] = append(needing[v.schema], v.object)
		default:
			return l.explain(&v.object, failure)
		}
	}
	for _, schema := range schemas {
		if err := l.createWithStandIns(ctx, schema, needing[schema], orphans[schema]); err != nil {
			return fmt.Errorf("schema %q: %w", schema.target, err)
		}
	}
	return nil
}

// createInAnyOrder tries again whatever fails as long as others succeed, and
// returns what is left, with the last failure.
func (l *load) createInAnyOrder(ctx context.Context, open []placedView) (left []placedView, failure, err error) {
	for len(open) > 0 {
		var again []placedView
		for _, v := range open {
			err := l.createObject(ctx, v.schema, &v.object)
			if isServer(err, erNoSuchTable, erViewInvalid, erBadField, erRoutineMissing) {
				again = append(again, v)
				failure = err
			} else if err != nil {
				return nil, nil, l.explain(&v.object, err)
			}
		}
		if len(again) == len(open) {
			return again, failure, nil
		}
		open = again
	}
	return nil, nil, nil
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
			Hint("GRANT SET_ANY_DEFINER, ALLOW_NONEXISTENT_DEFINER ON *.* to the account (before MySQL 8.2: SET_USER_ID), and SYSTEM_USER where the definer has that; or set definers: current-user or skip in the settings of the target")
	case isServer(err, erRoutineUnsafe, erRoutineNoSuper):
		return l.client.server.usage("restore into", "create %s: %w", label, clean(err)).
			Hint("SET GLOBAL log_bin_trust_function_creators = ON while the restore runs")
	default:
		return fmt.Errorf("create %s: %w", label, clean(err))
	}
}
