package kube

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/runbook"
)

//go:embed byhand.sh.tmpl
var byHandBlocks string

var byHandTemplates = runbook.ParseTemplates(byHandBlocks)

// byHand is what the blocks are made with.
type byHand struct {
	P          string           // prefix of variables
	Cluster    *byHandNamespace // what belongs to none
	Namespaces []byHandNamespace
}

type byHandNamespace struct {
	Number   int
	Variable string // whose value is the namespace's name at the target
	File     string // below the repository
}

// ByHand is the part of a page about restoring with stock tools. Settings are
// those of the target, or nil where nobody has named one.
func ByHand(s runbook.Source, settings *Settings) (*runbook.Part, error) {
	var captured Captured
	if err := json.Unmarshal(s.Captured, &captured); err != nil {
		return nil, fault.New(fault.Corrupt, "read what source "+s.Name+" has captured", "%w", err)
	}
	part := &runbook.Part{Source: s.Name, Kind: "Kubernetes", Dir: s.Dir, Tools: byHandTools}
	if settings == nil {
		settings = new(Settings)
	} else {
		part.Target = cmp.Or(settings.Cluster, "the cluster of the kubeconfig")
	}
	part.Variables = []runbook.Variable{
		{Name: s.Prefix + "_KUBECONFIG", Value: settings.Kubeconfig, File: true, About: "kubeconfig of the cluster; empty: the usual one"},
		{Name: s.Prefix + "_CONTEXT", Value: settings.Context, About: "context in it; empty: the current one"},
		{Name: s.Prefix + "_OVERWRITE", Value: "no", About: "yes: objects that exist may be replaced"},
	}
	blocks := byHand{P: s.Prefix}
	var objects int64
	if c := captured.Cluster; c != nil {
		blocks.Cluster = &byHandNamespace{File: s.Dir + "/" + fileName(c.Name) + ".zst.age"}
		objects += c.Objects
	}
	for i, n := range captured.Namespaces {
		one := byHandNamespace{Number: i + 1, Variable: fmt.Sprintf("%s_NAMESPACE_%d", s.Prefix, i+1), File: s.Dir + "/" + fileName(n.Name) + ".zst.age"}
		part.Variables = append(part.Variables, runbook.Variable{Name: one.Variable, Value: s.Rename(n.Name), About: "namespace " + n.Name + " as it is to be called"})
		blocks.Namespaces = append(blocks.Namespaces, one)
		objects += n.Objects
	}
	part.Content = runbook.Count(objects, "object") + " in " + runbook.Count(int64(len(captured.Namespaces)), "namespace")
	section, err := blocks.section(s.Name)
	part.Sections = []runbook.Section{section}
	return part, err
}

var byHandTools = []runbook.Tool{
	{Program: "kubectl", Package: "kubernetes-client", Note: "1.20 or later"},
	{Program: "comm"},
	{Program: "awk"},
}

func (b byHand) section(source string) (runbook.Section, error) {
	section := runbook.Section{Title: "Source " + source + ": Kubernetes"}
	functions, err := byHandTemplates.Shell("functions", b)
	if err != nil {
		return section, err
	}
	section.Blocks = append(section.Blocks, functions,
		runbook.Warning(runbook.Spans("Objects that exist are not touched, unless you say so. What runs with them does not notice new Secrets and ConfigMaps before it starts again.")))
	for _, s := range []struct{ about, block, done string }{
		{"What is there of it?", "look", "the namespaces of source " + source + " can be restored"},
		{"One file after the other. Applied by the server, large objects need no copy of themselves in an annotation:", "apply", "the objects of source " + source + " are applied"},
		{"What the cluster has now, against what was captured. No content is printed:", "compare", "the objects of source " + source + " are as they were captured"},
	} {
		step, err := byHandTemplates.Step(s.block, s.done, b)
		if err != nil {
			return section, err
		}
		section.Blocks = append(section.Blocks, runbook.Text(runbook.Spans(s.about)), step)
	}
	return section, nil
}
