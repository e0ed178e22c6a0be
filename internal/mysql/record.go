package mysql

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/seal"
)

// Captured is what the manifest says of a dump: names, counts and keyed
// digests, in a plain file.
type Captured struct {
	Version       string            `json:"version"`
	Variables     map[string]string `json:"variables"`
	Rung          Rung              `json:"rung"`
	Workers       int               `json:"workers"`
	BackupLock    bool              `json:"backupLock"`      // DDL was held off throughout the reading
	From          *Position         `json:"from,omitempty"`  // the snapshot lies between From
	Until         *Position         `json:"until,omitempty"` // and Until, which are equal but for one rung
	Replica       []ReplicaPosition `json:"replica,omitempty"`
	DigestVersion int               `json:"digestVersion"`
	Schemas       []CapturedSchema  `json:"schemas"`
	Accounts      *CapturedAccounts `json:"accounts,omitempty"` // absent: they were not captured
}

// CapturedSchema is one schema of a dump.
type CapturedSchema struct {
	Name         string          `json:"name"`
	CharacterSet string          `json:"characterSet"`
	Collation    string          `json:"collation"`
	Definitions  seal.Digest     `json:"definitions"` // over every definition in its canonical form
	Tables       []CapturedTable `json:"tables"`
	Views        int             `json:"views"`
	Routines     int             `json:"routines"`
	Triggers     int             `json:"triggers"`
	Events       int             `json:"events"`
	LeftOut      []string        `json:"leftOut,omitempty"` // tables and views that the settings leave out
}

// CapturedTable is one table of a dump.
type CapturedTable struct {
	Name   string      `json:"name"`
	Rows   int64       `json:"rows"`
	Bytes  int64       `json:"bytes"`
	Digest seal.Digest `json:"digest"`
	Chunks int         `json:"chunks"`
	// Filtered and NoData say that the settings chose some of the rows, or none.
	Filtered bool `json:"filtered,omitempty"`
	NoData   bool `json:"noData,omitempty"`
}

// record says in the manifest what was captured.
func (d *dump) record(ctx context.Context) error {
	captured := Captured{
		Version: d.client.facts.version, Variables: d.client.facts.variables,
		Rung: d.snapshot.rung, Workers: len(d.snapshot.sessions), BackupLock: d.watch.heldThroughout(),
		From: d.snapshot.from, Until: d.snapshot.until, Replica: d.snapshot.replicaPositions(), DigestVersion: digestVersion,
		Accounts: d.capturedAccounts(),
	}
	var summary repository.Summary
	for _, schema := range d.schemas {
		captured.Schemas = append(captured.Schemas, schema.captured(d.key))
		sum := schema.total()
		summary.Rows += sum.Rows
		summary.Bytes += sum.Bytes
	}
	if err := d.warn(ctx); err != nil {
		return err
	}
	d.draft.Summarize(summary)
	return d.draft.Captured(captured)
}

const (
	engineInnoDB = "InnoDB"     // whose tables a snapshot covers
	engineMerge  = "MRG_MYISAM" // whose tables have the rows of others
)

func (d *schemaDefinition) captured(key seal.DigestKey) CapturedSchema {
	c := CapturedSchema{
		Name: d.Name, CharacterSet: d.CharacterSet, Collation: d.Collation, Definitions: digestDefinitions(key, d),
		Views: len(d.Views), Routines: len(d.Routines), Triggers: len(d.Triggers), Events: len(d.Events), LeftOut: d.LeftOut,
	}
	for i := range d.Tables {
		t := &d.Tables[i]
		c.Tables = append(c.Tables, CapturedTable{
			Name: t.Name, Rows: t.Total.Rows, Bytes: t.Total.Bytes, Digest: t.Total.Digest, Chunks: len(t.Chunks),
			Filtered: t.Where != "", NoData: t.NoData,
		})
	}
	return c
}

// writeDefinitions stores per schema what the loader needs and what a person
// needs, and one script with every LOAD DATA.
func (d *dump) writeDefinitions(ctx context.Context) error {
	for _, schema := range d.schemas {
		schema.Version = definitionVersion
		files := []struct {
			name  string
			write func(io.Writer) error
		}{
			{definitionFile, func(w io.Writer) error { return json.NewEncoder(w).Encode(schema) }},
			{schemaFile, schema.writeTables},
			{postFile, schema.writePost},
		}
		for _, f := range files {
			if err := d.store(ctx, f.write, f.name, schema.Name); err != nil {
				return err
			}
		}
	}
	return d.store(ctx, d.writeLoad, loadFile)
}

func (d *dump) store(ctx context.Context, write func(io.Writer) error, name string, dirs ...string) error {
	file, err := d.draft.Create(ctx, name, dirs...)
	if err != nil {
		return err
	}
	defer file.Abort()
	if err := write(file); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return file.Commit()
}

// readDefinition reads a schema's definition from a point, to its verified end.
func readDefinition(ctx context.Context, from *repository.SourceReader, schema string) (d *schemaDefinition, err error) {
	file, err := from.Open(ctx, definitionFile, schema)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	data, err := io.ReadAll(file)
	if err != nil {
		return nil, fmt.Errorf("read definitions of schema %q: %w", schema, err)
	}
	d = new(schemaDefinition)
	if err := json.Unmarshal(data, d); err != nil {
		return nil, fault.New(fault.Corrupt, "read definitions of schema "+schema, "%w", err)
	}
	if d.Version != definitionVersion {
		return nil, fault.New(fault.Usage, "read definitions of schema "+schema, "their version is %d, and this openim-dr reads %d", d.Version, definitionVersion).
			Hint("use the version of openim-dr that wrote the point, or a newer one")
	}
	return d, nil
}
