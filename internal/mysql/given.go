package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

var (
	_ source.Identified = (*Server)(nil)
	_ source.Inhabited  = (*Server)(nil)
	_ source.Clearer    = (*Server)(nil)
)

// Identity returns where the server is reached, and its server_uuid, which two
// servers share only where one is a copy of the other's files.
func (s *Server) Identity(ctx context.Context) (marks []string, err error) {
	if socket, ok := s.settings.socket(); ok {
		if resolved, err := filepath.EvalSymlinks(socket); err == nil {
			socket = resolved
		}
		marks = []string{"socket " + socket}
	} else {
		marks, err = source.AddressMarks(ctx, s.settings.Address)
	}
	client, openErr := s.open(ctx, dumpIdle)
	if openErr != nil {
		return marks, errors.Join(err, openErr)
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	r, queryErr := queryRecord(ctx, client, "SELECT @@GLOBAL.server_uuid AS uuid")
	if queryErr != nil {
		return marks, errors.Join(err, fmt.Errorf("ask %s for its server_uuid: %w", s.target(), queryErr))
	}
	return append(marks, "server_uuid "+strings.ToLower(r.text("uuid"))), err
}

// Inhabitants returns the schemas that are not the server's own, empty ones, too:
// somebody has made them.
func (s *Server) Inhabitants(ctx context.Context) (_ []source.Occupied, err error) {
	client, err := s.open(ctx, dumpIdle)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	records, err := queryRecords(ctx, client, "SELECT s.SCHEMA_NAME AS name, COUNT(t.TABLE_NAME) AS tables FROM information_schema.SCHEMATA s"+
		" LEFT JOIN information_schema.TABLES t ON t.TABLE_SCHEMA = s.SCHEMA_NAME WHERE s.SCHEMA_NAME NOT IN ("+quoteTexts(systemSchemas)+") GROUP BY s.SCHEMA_NAME ORDER BY s.SCHEMA_NAME")
	if err != nil {
		return nil, fmt.Errorf("look what %s holds: %w", s.target(), err)
	}
	var found []source.Occupied
	for _, r := range records {
		found = append(found, source.Occupied{Target: s.schemaTarget(r.text("name")), Parts: []string{r.text("name")}, Holds: "a schema of " + quantity.Count(r.number("tables"), "table", "tables")})
	}
	return found, nil
}

// Clear drops the schemas, accounts and tablespaces that the plan was to create.
// A schema that was there, and empty, is empty again.
func (s *Server) Clear(ctx context.Context, _ *repository.SourceReader, plan *source.Plan) error {
	r, ok := plan.Private.(*restoration)
	if !ok {
		return errors.New("clear: the plan is not of this source")
	}
	if len(plan.Occupied) > 0 {
		return fault.New(fault.Refused, "clear", "%s held something before: %s", plan.Occupied[0].Target, plan.Occupied[0].Holds).On(s.target())
	}
	return s.inLoadSession(ctx, r, func(conn *sql.Conn) error {
		for _, statement := range r.undoing() {
			err := define(ctx, conn, statement)
			if err != nil && !isServer(err, erTablespaceMissing) {
				return fault.New(fault.Failed, "clear", "%w", clean(err)).On(s.target()).
					Hint("whatever of the drill is left there has to be removed by hand before the next one")
			}
		}
		return nil
	})
}

// undoing returns what takes the restoration back, whatever of it is there.
func (r *restoration) undoing() (statements []string) {
	existed := map[string]bool{}
	for _, schema := range r.schemas {
		existed[schema.target] = existed[schema.target] || schema.exists
	}
	var spaces []string
	for _, schema := range r.schemas {
		if drop := "DROP DATABASE IF EXISTS " + quoteName(schema.target); !slices.Contains(statements, drop) {
			statements = append(statements, drop)
			if existed[schema.target] {
				statements = append(statements, "CREATE DATABASE "+quoteName(schema.target))
			}
		}
		for i := range schema.Tables {
			if space := schema.Tables[i].generalTablespace(); space != "" && !slices.Contains(spaces, space) {
				spaces = append(spaces, space)
			}
		}
	}
	for _, space := range spaces {
		statements = append(statements, "DROP TABLESPACE "+quoteName(space))
	}
	for _, a := range r.accounts {
		if a.fate == fateCreate {
			statements = append(statements, "DROP USER IF EXISTS "+a.quoted())
		}
	}
	return statements
}
