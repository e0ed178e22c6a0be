package mysql

import (
	"path"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

var _ source.Chooser = (*Server)(nil)

// Needs leaves out schemas and tables that are not wanted, and where there are such
// also what is for people, and of the whole source.
func (s *Server) Needs(from *repository.SourceReader, want source.Selection) ([]repository.File, error) {
	var recorded Captured
	if err := from.Captured(&recorded); err != nil {
		return nil, err
	}
	var unwanted [][]string
	for i := range recorded.Schemas {
		schema := &recorded.Schemas[i]
		if !schema.mayBeWanted(want, isRollback(from)) {
			unwanted = append(unwanted, []string{schema.Name})
			continue
		}
		for _, t := range schema.Tables {
			if !wanted(want, schema.Name, t.Name) {
				unwanted = append(unwanted, []string{schema.Name, t.Name})
			}
		}
	}
	if len(unwanted) == 0 {
		return from.Files(), nil
	}
	whole := []string{loadFile, usersFile}
	if !slices.ContainsFunc(want.Include, isAccountPattern) && !(isRollback(from) && len(want.Include) == 0) {
		whole = append(whole, accountsFile)
	}
	return slices.DeleteFunc(from.FilesWithout(unwanted...), func(f repository.File) bool {
		return slices.ContainsFunc(whole, func(name string) bool { return strings.HasPrefix(path.Base(f.Path), name+".") })
	}), nil
}

// mayBeWanted reports whether chooseSchema leaves anything of a schema, so that the
// definitions of others need not be read.
func (c *CapturedSchema) mayBeWanted(want source.Selection, rollback bool) bool {
	if len(c.Tables) == 0 {
		return wanted(want, c.Name, "")
	}
	return slices.ContainsFunc(c.Tables, func(t CapturedTable) bool { return wanted(want, c.Name, t.Name) && !(rollback && t.NoData) })
}
