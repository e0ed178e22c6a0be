package mysql

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"net"
	"strings"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/runbook"
	"github.com/openim-dr/openim-dr/internal/tlsmode"
)

//go:embed byhand.sh.tmpl
var byHandBlocks string

var byHandTemplates = runbook.ParseTemplates(byHandBlocks)

// byHand is what the blocks are made with.
type byHand struct {
	P         string // prefix of variables
	Source    string // directory of the source below the repository
	LowerCase string // lower_case_table_names
	Schemas   []byHandSchema
}

type byHandSchema struct {
	Number                  int
	Variable                string // whose value is the schema's name at the target
	Name, Dir               string
	CharacterSet, Collation string
	Tables                  []byHandTable
}

type byHandTable struct {
	Number    int    // from 0, in tables.json
	SQL, Text string // the name, quoted as a name and as a text
	Dir       string // of its chunks
	Rows      int64
	Chunks    int
}

// ByHand is the part of a page about restoring with stock tools. Settings are
// those of the target, or nil where nobody has named one.
func ByHand(s runbook.Source, settings *Settings) (*runbook.Part, error) {
	var captured Captured
	if err := json.Unmarshal(s.Captured, &captured); err != nil {
		return nil, fault.New(fault.Corrupt, "read what source "+s.Name+" has captured", "%w", err)
	}
	part := &runbook.Part{Source: s.Name, Kind: "MySQL", Dir: s.Dir, Tools: byHandTools}
	if settings != nil {
		part.Target = settings.Address
	}
	blocks := byHand{P: s.Prefix, Source: s.Dir, LowerCase: captured.Variables["lower_case_table_names"]}
	part.Variables = byHandAccess(s.Prefix, settings)
	var tables, rows, size, largest int64
	for i, schema := range captured.Schemas {
		made := newByHandSchema(s.Prefix, i+1, schema)
		part.Variables = append(part.Variables, runbook.Variable{Name: made.Variable, Value: s.Rename(schema.Name), About: "schema " + schema.Name + " as it is to be called"})
		blocks.Schemas = append(blocks.Schemas, made)
		for _, t := range schema.Tables {
			tables, rows, size, largest = tables+1, rows+t.Rows, size+t.Bytes, max(largest, t.Bytes)
		}
	}
	part.Content = fmt.Sprintf("%s in %s of %s, %s, MySQL %s", runbook.Count(rows, "row"), runbook.Count(tables, "table"),
		runbook.Count(int64(len(captured.Schemas)), "schema"), runbook.Bytes(size), captured.Version)
	section, err := blocks.section(blocks.steps(s.Name, largest, captured.Accounts))
	section.Title = "Source " + s.Name + ": MySQL"
	part.Sections = []runbook.Section{section}
	return part, err
}

var byHandTools = []runbook.Tool{
	{Program: "mysql", Package: "mariadb-client", Note: "or MySQL's own"},
	{Program: "cmp"},
}

func newByHandSchema(prefix string, number int, schema CapturedSchema) byHandSchema {
	dir := repository.FileName(schema.Name)
	made := byHandSchema{
		Number: number, Variable: fmt.Sprintf("%s_SCHEMA_%d", prefix, number), Name: schema.Name, Dir: dir,
		CharacterSet: schema.CharacterSet, Collation: schema.Collation,
	}
	for i, t := range schema.Tables {
		made.Tables = append(made.Tables, byHandTable{
			Number: i, SQL: quoteName(t.Name), Text: quoteText(t.Name), Dir: dir + "/" + repository.FileName(t.Name), Rows: t.Rows, Chunks: t.Chunks,
		})
	}
	return made
}

// byHandAccess are the variables about the server and the account.
func byHandAccess(prefix string, s *Settings) []runbook.Variable {
	known := s != nil
	if !known {
		s = &Settings{TLS: tlsmode.Preferred}
	}
	var host, port string
	socket, isSocket := s.socket()
	if !isSocket {
		socket = ""
		host, port, _ = net.SplitHostPort(s.Address) // Validate has seen what is known
	}
	password, _ := s.Password.Path()
	return []runbook.Variable{
		{Name: prefix + "_HOST", Value: host, Fill: !isSocket, About: "the server's name or address"},
		{Name: prefix + "_PORT", Value: cmp.Or(port, "3306")},
		{Name: prefix + "_SOCKET", Value: socket, About: "its socket instead"},
		{Name: prefix + "_USER", Value: s.User, Fill: true, About: "account that may create what is restored"},
		{Name: prefix + "_PASSWORD_FILE", Value: password, Fill: !known || !s.Password.IsZero(), File: true, About: "a file with its password"},
		{Name: prefix + "_TLS", Value: string(s.tlsMode()), About: "disabled, preferred, required, verify-ca or verify-identity"},
		{Name: prefix + "_TLS_CA", Value: s.TLSCA, File: true, About: "PEM files, where the server wants or needs them"},
		{Name: prefix + "_TLS_CERT", Value: s.TLSCert, File: true},
		{Name: prefix + "_TLS_KEY", Value: s.TLSKey, File: true},
	}
}

func (b byHand) section(steps []byHandStep) (runbook.Section, error) {
	var section runbook.Section
	functions, err := byHandTemplates.Shell("functions", b)
	if err != nil {
		return section, err
	}
	section.Blocks = append(section.Blocks, functions)
	if names := b.unreadable(); names != nil {
		section.Blocks = append(section.Blocks, runbook.Warning(append(runbook.Spans("The client loses its place at names that hold a backslash, and the blocks will stop there: "), names...)))
	}
	section.Blocks = append(section.Blocks, runbook.Warning(runbook.Spans("A schema that is there is not touched: drop it yourself once you have seen what it holds, or restore beside it under another name. "+
		"Rows that are loaded go into the server's binary log, and to its replicas.")))
	for _, s := range steps {
		step, err := byHandTemplates.Step(s.block, s.done, b)
		if err != nil {
			return section, err
		}
		step.Optional = s.optional
		section.Blocks = append(section.Blocks, s.about, step)
	}
	return section, nil
}

// unreadable are the names that the client does not read as they are.
func (b byHand) unreadable() []runbook.Span {
	var names []any
	add := func(name string) {
		if strings.Contains(name, `\`) {
			names = append(names, runbook.Code(name), " ")
		}
	}
	for _, schema := range b.Schemas {
		add(schema.Name)
		for _, t := range schema.Tables {
			add(t.SQL)
		}
	}
	return runbook.Spans(names...)
}

// byHandStep is a block with what stands before it.
type byHandStep struct {
	block, done string
	about       runbook.Text
	optional    bool
}

// steps are the blocks in their order: rows are compared before a trigger or an
// event can change any.
func (b byHand) steps(source string, largest int64, accounts *CapturedAccounts) []byHandStep {
	steps := []byHandStep{
		{block: "connect", done: "the server of source " + source + " is ready",
			about: runbook.Spans("Can the server be restored into?")},
		{block: "create", done: "the tables of source " + source + " are made",
			about: runbook.Spans("The schemas with their tables, as yet without secondary keys. Where this breaks off, drop the schemas that it has made, and paste it again:")},
		{block: "load", done: "the rows of source " + source + " are loaded",
			about: runbook.Spans("The rows. What is printed are the client's warnings; an ", runbook.Code("ENUM"), " that holds an error value gives one:")},
		{block: "count", done: "the tables of source " + source + " have as many rows as the point",
			about: runbook.Spans("The number of rows of each table, as the manifest has it:")},
		{block: "rows", done: "the rows of source " + source + " are those of the point", optional: true,
			about: runbook.Spans("And the rows themselves: each table is read once more, column by column as it was captured, and held against the text in the point, both sorted. "+
				"This takes about as long as the load, and on the disk thrice the largest table ("+runbook.Bytes(largest)+" of text). Leave it out where that is too much. "+
				"Generated columns are not compared, and a row that is longer than ", runbook.Code("max_allowed_packet"), " looks different.")},
		{block: "finish", done: "the schemas of source " + source + " are whole",
			about: runbook.Spans("Keys, foreign keys, routines, views, triggers and events:")},
	}
	if accounts != nil {
		steps = append(steps, byHandStep{block: "accounts", done: "the accounts of source " + source + " are back",
			about: runbook.Spans(runbook.Count(int64(accounts.Count), "account") + " and their grants, last of all. An account that exists keeps its password. What the server refuses is shown, and the rest goes on:")})
	}
	return steps
}
