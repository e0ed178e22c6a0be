package mysql

import (
	"context"
	"database/sql"
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
// of the names that the server asks for, one after the other, or a column of a
// table that is there and holds no rows yet. It is removed again, and the view
// is as broken as it was.

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
	altered   map[string]*table // by quoted name, that got columns for the moment
}

// createWithStandIns creates views that refer to something that is not there,
// while the tables are still empty. One that lacks something in another schema
// cannot be had so: the comparison names it as missing. The stand-ins stay until
// the end, since one such view may refer to another.
//
// The server creates no view over one whose definer does not exist. So such
// orphans are created last, each in the place of what has stood in for it, and
// after those that need it.
func (l *load) createWithStandIns(ctx context.Context, schema *schemaPlan, broken, orphans []object) (err error) {
	if len(broken)+len(orphans) == 0 {
		return nil
	}
	s := &standIns{load: l, schema: schema.target, views: map[string]bool{}, altered: map[string]*table{}}
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
		if match := missingColumn.FindStringSubmatch(sent.Message); match != nil {
			if added, err := s.addColumn(ctx, schema, o, match[1]); err != nil || !added {
				return false, err
			}
		} else if added, err := s.add(ctx, sent.Message); err != nil || !added {
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
	}
	for _, statement := range statements {
		if _, err := s.load.main.ExecContext(ctx, statement); err != nil {
			return false, fmt.Errorf("stand in for what a broken view lacks: %w", clean(err))
		}
	}
	return len(statements) > 0, nil
}

// addColumn puts a missing column in place. Which table lacks it is not said,
// since the name before it may be an alias: so all get it that stand in, and
// all others that the view names.
func (s *standIns) addColumn(ctx context.Context, schema *schemaPlan, o *object, name string) (added bool, err error) {
	column := quoteName(name[strings.LastIndexByte(name, '.')+1:])
	named := slices.Clone(s.tables)
	for i := range schema.Tables {
		if t := &schema.Tables[i]; strings.Contains(string(o.Create), quoteName(t.Name)) {
			quoted := quoteName(s.schema) + "." + quoteName(t.Name)
			s.altered[quoted] = t
			named = append(named, quoted)
		}
	}
	for _, table := range named {
		_, err := s.load.main.ExecContext(ctx, "ALTER TABLE "+table+" ADD "+column+" INT")
		if isServer(err, erDupFieldName) {
			continue
		}
		if err != nil {
			return false, fmt.Errorf("stand in for a column that a broken view lacks: %w", clean(err))
		}
		added = true
	}
	return added, nil
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
	if len(s.tables)+len(s.functions)+len(s.altered) == 0 {
		return nil
	}
	conn, err := s.load.session(ctx)
	if err != nil {
		return fmt.Errorf("remove the stand-ins for broken views: %w", err)
	}
	defer release(conn)
	errs := []error{s.restoreAltered(ctx, conn)}
	for kind, names := range map[string][]string{"TABLE": s.tables, "FUNCTION": s.functions} {
		for _, name := range names {
			if _, err := conn.ExecContext(ctx, "DROP "+kind+" IF EXISTS "+name); err != nil {
				errs = append(errs, fmt.Errorf("remove a stand-in for a broken view: %w", clean(err)))
			}
		}
	}
	return errors.Join(errs...)
}

// restoreAltered creates the tables anew that got columns. They are empty, and
// a column that is dropped at once would leave its trace in the table.
func (s *standIns) restoreAltered(ctx context.Context, conn *sql.Conn) error {
	for quoted, t := range s.altered {
		parts, err := parseCreateTable(t.Create)
		if err != nil {
			return fmt.Errorf("table %q: %w", t.Name, err)
		}
		for _, statement := range []string{"DROP TABLE " + quoted, "USE " + quoteName(s.schema), parts.base()} {
			if _, err := conn.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("create table %q again: %w", t.Name, clean(err))
			}
		}
	}
	return nil
}
