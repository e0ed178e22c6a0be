package mysql

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	driver "github.com/go-sql-driver/mysql"
)

// A view that refers to something that is gone exists and can be shown, but
// cannot be created. So what it refers to is put there for a moment: a table
// of the names that the server asks for, one after the other. It is removed
// again, and the view is as broken as it was.

// maxStandIns bounds how many names one view may be missing.
const maxStandIns = 500

var (
	missingTable    = regexp.MustCompile(`^Table '(.*)' doesn't exist$`)
	missingColumn   = regexp.MustCompile(`^Unknown column '(.*)' in '[^']*'$`)
	missingFunction = regexp.MustCompile(`^FUNCTION (.*) does not exist$`)
	wrongArguments  = regexp.MustCompile(`^Incorrect number of arguments for FUNCTION (.*); expected \d+, got (\d+)$`)
)

// standIns are the tables and functions that stand in for what is gone.
type standIns struct {
	load      *load
	schema    string
	views     map[string]bool // that are still to be created: nothing stands in for those
	tables    []string
	functions []string
}

// createBroken creates views that were broken when they were captured. One
// that lacks a column of a table that does exist, or something in another
// schema, cannot be had so: the comparison names it as missing. The stand-ins
// stay until the end, since a broken view may refer to another.
//
// The server creates no view over one whose definer does not exist. So such
// orphans are created last, each in the place of what has stood in for it, and
// after those that need it.
func (l *load) createBroken(ctx context.Context, schema *schemaPlan, broken, orphans []object) (err error) {
	if len(broken)+len(orphans) == 0 {
		return nil
	}
	s := &standIns{load: l, schema: schema.target, views: map[string]bool{}}
	defer func() { err = errors.Join(err, s.remove(ctx)) }()
	for i := range broken {
		s.views[broken[i].Name] = true
	}
	for progress := true; progress; {
		progress = false
		for i := range broken {
			if !s.views[broken[i].Name] {
				continue
			}
			created, err := s.create(ctx, schema, &broken[i])
			if err != nil {
				return err
			}
			if created {
				delete(s.views, broken[i].Name)
				progress = true
			}
		}
	}
	for _, o := range slices.Backward(orphans) {
		if err := s.replace(ctx, schema, &o); err != nil {
			return err
		}
	}
	return nil
}

// replace creates an orphan in the place of its stand-in.
func (s *standIns) replace(ctx context.Context, schema *schemaPlan, o *object) error {
	name := quoteName(s.schema) + "." + quoteName(o.Name)
	if at := slices.Index(s.tables, name); at >= 0 {
		if _, err := s.load.main.ExecContext(ctx, "DROP TABLE "+name); err != nil {
			return fmt.Errorf("remove what stood in for a view: %w", clean(err))
		}
		s.tables = slices.Delete(s.tables, at, at+1)
	}
	_, err := s.create(ctx, schema, o)
	return err
}

// create tries until nothing is missing any more that can be put in place.
func (s *standIns) create(ctx context.Context, schema *schemaPlan, o *object) (created bool, err error) {
	for range maxStandIns {
		err := s.load.createObject(ctx, schema, o)
		var sent *driver.MySQLError
		switch {
		case err == nil:
			return true, nil
		case !errors.As(err, &sent) || !isServer(err, erNoSuchTable, erBadField, erRoutineMissing, erViewInvalid, erWrongArguments):
			return false, s.load.explain(o, err)
		}
		// The messages of these errors name objects; none quotes a value.
		if added, err := s.add(ctx, sent.Message); err != nil || !added {
			return false, err
		}
	}
	return false, nil
}

// add puts in place what a message of the server says is missing.
func (s *standIns) add(ctx context.Context, message string) (added bool, err error) {
	var statements []string
	if name, ok := s.own(missingTable, message); ok {
		s.tables = append(s.tables, name)
		statements = append(statements, "CREATE TABLE "+name+" (`openim-dr stands in` INT)")
	} else if name, ok := s.own(missingFunction, message); ok {
		s.functions = append(s.functions, name)
		statements = append(statements, createFunction(name, 0))
	} else if name, ok := s.own(wrongArguments, message); ok && slices.Contains(s.functions, name) {
		n, err := strconv.Atoi(wrongArguments.FindStringSubmatch(message)[2])
		if err != nil {
			return false, err
		}
		statements = append(statements, "DROP FUNCTION "+name, createFunction(name, n))
	} else if match := missingColumn.FindStringSubmatch(message); match != nil {
		// Which table it belongs to is not said: all that stand in get it.
		column := match[1][strings.LastIndexByte(match[1], '.')+1:]
		for _, table := range s.tables {
			statements = append(statements, "ALTER TABLE "+table+" ADD "+quoteName(column)+" INT")
		}
	}
	for _, statement := range statements {
		if _, err := s.load.main.ExecContext(ctx, statement); isServer(err, erDupFieldName) {
			return false, nil // the column is missing in a table that does exist
		} else if err != nil {
			return false, fmt.Errorf("stand in for what a broken view lacks: %w", clean(err))
		}
	}
	return len(statements) > 0, nil
}

func createFunction(name string, parameters int) string {
	list := make([]string, parameters)
	for i := range list {
		list[i] = fmt.Sprintf("p%d INT", i)
	}
	return "CREATE FUNCTION " + name + "(" + strings.Join(list, ", ") + ") RETURNS INT DETERMINISTIC RETURN NULL"
}

// own returns the quoted name of something missing in the view's own schema.
func (s *standIns) own(pattern *regexp.Regexp, message string) (name string, ok bool) {
	match := pattern.FindStringSubmatch(message)
	if match == nil {
		return "", false
	}
	name, ok = strings.CutPrefix(match[1], s.schema+".")
	if s.views[name] {
		return "", false
	}
	return quoteName(s.schema) + "." + quoteName(name), ok
}

// remove also runs after a cancellation, over a connection that still lives.
func (s *standIns) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	if len(s.tables)+len(s.functions) == 0 {
		return nil
	}
	conn, err := s.load.session(ctx)
	if err != nil {
		return fmt.Errorf("remove the stand-ins for broken views: %w", err)
	}
	defer release(conn)
	var errs []error
	for kind, names := range map[string][]string{"TABLE": s.tables, "FUNCTION": s.functions} {
		for _, name := range names {
			if _, err := conn.ExecContext(ctx, "DROP "+kind+" IF EXISTS "+name); err != nil {
				errs = append(errs, fmt.Errorf("remove a stand-in for a broken view: %w", clean(err)))
			}
		}
	}
	return errors.Join(errs...)
}
