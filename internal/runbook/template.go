package runbook

import (
	"fmt"
	"strings"
	"text/template"
)

// Templates are the blocks of a part: text/template with the function q, which
// quotes a word for sh.
type Templates struct{ set *template.Template }

// ParseTemplates parses blocks, each {{define}}d under a name of its own. A
// defect in them is one of this program.
func ParseTemplates(text string) Templates {
	return Templates{template.Must(template.New("").Funcs(template.FuncMap{"q": Quote}).Option("missingkey=error").Parse(text))}
}

// Shell returns one block, made with data.
func (t Templates) Shell(name string, data any) (Shell, error) {
	var b strings.Builder
	if err := t.set.ExecuteTemplate(&b, name, data); err != nil {
		return "", fmt.Errorf("write block %s: %w", name, err)
	}
	return Shell(strings.TrimSpace(b.String()) + "\n"), nil
}

// Step returns one block that ends with OK.
func (t Templates) Step(name, done string, data any) (Step, error) {
	body, err := t.Shell(name, data)
	return Step{Body: body, Done: done}, err
}

// steps numbers the blocks that end with OK.
type steps struct{ last int }

// shell wraps a step: a failure in it ends the block, not the person's shell,
// and the next block does not begin.
func (s *steps) shell(step Step, after int) Shell {
	s.last++
	return Shell(fmt.Sprintf("(\nset -eu\numask 077\nbegin %d %d\n%send %d %s\n)\n", s.last, after, step.Body, s.last, Quote(step.Done)))
}

// number replaces the steps of sections by shell; the first follows on the
// block after, each other on the one before it.
func (s *steps) number(sections []Section, after int) []Section {
	numbered := make([]Section, len(sections))
	for i, section := range sections {
		numbered[i].Title = section.Title
		for _, b := range section.Blocks {
			if step, ok := b.(Step); ok {
				b = s.shell(step, after)
				if !step.Optional {
					after = s.last
				}
			}
			numbered[i].Blocks = append(numbered[i].Blocks, b)
		}
	}
	return numbered
}
