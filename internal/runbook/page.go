package runbook

// Page is a document before it has a form.
type Page struct {
	Title    string
	Sections []Section
}

// Section is a heading with what stands below it.
type Section struct {
	Title  string
	Blocks []Block
}

// Block is one thing in a section: Text, Warning, List, Table or Shell.
type Block interface{ block() }

// Text is a paragraph.
type Text []Span

// Warning is a paragraph about where hands hurt.
type Warning []Span

// List is a list of paragraphs.
type List [][]Span

// Table is a table below a header.
type Table struct {
	Header []string
	Rows   [][][]Span
}

// Shell is code to be pasted.
type Shell string

func (Text) block()    {}
func (Warning) block() {}
func (List) block()    {}
func (Table) block()   {}
func (Shell) block()   {}

// Span is a piece of text; Code is shown as it is typed.
type Span struct {
	Text string
	Code bool
}

// Code marks what is shown as it is typed.
type Code string

// Spans joins strings and Codes.
func Spans(parts ...any) []Span {
	var spans []Span
	for _, p := range parts {
		switch p := p.(type) {
		case Code:
			spans = append(spans, Span{visible(string(p)), true})
		case string:
			spans = append(spans, Span{visible(p), false})
		default:
			panic("a span is a string or a Code") // a defect of this program
		}
	}
	return spans
}

// Row is a row of a table whose cells are single spans.
func Row(cells ...any) [][]Span {
	row := make([][]Span, len(cells))
	for i, c := range cells {
		row[i] = Spans(c)
	}
	return row
}
