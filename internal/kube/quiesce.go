package kube

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// Stage chooses workloads that are stopped at the same time: by name, or by
// label.
type Stage struct {
	Name      string
	Workloads []string // names of Deployments and StatefulSets, or patterns with * and ?
	Selector  string   // label selector; instead of names
	Optional  bool     // it may name what is not there: names that some installations have
}

// defaultPatience is how long the pods of a stage may take to go: their grace
// periods are half a minute as a rule.
const defaultPatience = 5 * time.Minute

// Quiescer stops the workloads of a cluster that write, and brings them back.
// What it has stopped says so in its own annotations, so that any later process
// can bring it back, one that knows nothing else included.
type Quiescer struct {
	cluster  *Cluster // its settings say where, and in which namespaces
	stages   []stage
	patience time.Duration
	interval time.Duration // between two looks at pods that are going
}

// stage is a Stage that can choose.
type stage struct {
	Stage
	selector labels.Selector // nil: by name
}

// NewQuiescer returns one for the namespaces of a cluster. Stages are stopped in
// their order; a workload belongs to the first that chooses it. A patience of
// zero is the default. It talks to nobody yet.
func NewQuiescer(cluster *Cluster, stages []Stage, patience time.Duration) (*Quiescer, error) {
	q := &Quiescer{cluster: cluster, patience: patience, interval: 500 * time.Millisecond}
	if patience == 0 {
		q.patience = defaultPatience
	}
	for _, s := range stages {
		made, err := newStage(s)
		if err != nil {
			return nil, err
		}
		q.stages = append(q.stages, made)
	}
	if len(q.stages) == 0 {
		return nil, fault.New(fault.Usage, "choose the workloads to be stopped", "there is no stage")
	}
	return q, nil
}

func newStage(s Stage) (stage, error) {
	refuse := func(format string, args ...any) (stage, error) {
		return stage{}, fault.New(fault.Usage, fmt.Sprintf("choose the workloads of stage %q", s.Name), format, args...)
	}
	if (len(s.Workloads) == 0) == (s.Selector == "") {
		return refuse("it needs either names of workloads or a label selector")
	}
	for _, pattern := range s.Workloads {
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" || strings.Contains(pattern, "/") {
			return refuse("%q is neither a name nor a pattern", pattern)
		}
	}
	if s.Selector == "" {
		return stage{Stage: s}, nil
	}
	selector, err := labels.Parse(s.Selector)
	if err != nil || selector.Empty() {
		return refuse("its selector is not a label selector such as app=openim")
	}
	return stage{s, selector}, nil
}

func (s stage) chooses(w *workload) bool {
	if s.selector != nil {
		return s.selector.Matches(labels.Set(w.object.GetLabels()))
	}
	return matchesAny(s.Workloads, w.object.GetName())
}

// QuiescePlan is what Stop would do.
type QuiescePlan struct {
	Stages   []PlannedStage `json:"stages"`
	Warnings []string       `json:"warnings"`
}

// PlannedStage is what one stage chooses.
type PlannedStage struct {
	Name      string     `json:"name"`
	Workloads []Workload `json:"workloads"`
}

// Plan looks which workloads would be stopped, whether that is allowed, and who
// would bring them back too early. It changes nothing. A name that no workload
// has is an error, and so is a choice of nothing at all: nobody asks for
// workloads to be stopped in order to go on with all of them running.
func (q *Quiescer) Plan(ctx context.Context) (*QuiescePlan, error) {
	s, err := q.cluster.open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	namespaces, _, err := s.chosen(ctx, q.cluster.settings)
	if err != nil {
		return nil, err
	}
	if err := s.requireRights(ctx, namespaces); err != nil {
		return nil, err
	}
	chosen, err := q.choose(ctx, s, namespaces)
	if err != nil {
		return nil, err
	}
	plan := &QuiescePlan{Stages: []PlannedStage{}, Warnings: []string{}}
	for i, found := range chosen {
		planned := PlannedStage{Name: q.stages[i].Name, Workloads: []Workload{}}
		for _, w := range found {
			planned.Workloads = append(planned.Workloads, w.described())
		}
		plan.Stages = append(plan.Stages, planned)
	}
	plan.Warnings = append(plan.Warnings, heldWarnings(chosen)...)
	disturbing, err := s.disturbances(ctx, namespaces, slices.Concat(chosen...))
	plan.Warnings = append(plan.Warnings, disturbing...)
	return plan, err
}

// choose lists the workloads of each stage as they are now.
func (q *Quiescer) choose(ctx context.Context, s *session, namespaces []string) ([][]*workload, error) {
	all, err := s.workloads(ctx, namespaces)
	if err != nil {
		return nil, err
	}
	chosen := make([][]*workload, len(q.stages))
	none := true
	for _, w := range all {
		i := slices.IndexFunc(q.stages, func(s stage) bool { return s.chooses(w) })
		if i < 0 {
			continue
		}
		if err := w.mayStop(s); err != nil {
			return nil, err
		}
		chosen[i] = append(chosen[i], w)
		none = false
	}
	refuse := func(format string, args ...any) error {
		return fault.New(fault.Usage, "choose the workloads to be stopped of", format, args...).On("kubernetes " + s.cluster).
			Hint("`kubectl get deployments,statefulsets --all-namespaces` lists them; correct namespaces and stages of quiesce, or stop by hand what writes and leave --quiesce out")
	}
	where := strings.Join(namespaces, ", ")
	if none {
		return nil, refuse("no stage chooses any of %d Deployments and StatefulSets in %s", len(all), where)
	}
	for _, stage := range q.stages {
		for _, name := range stage.Workloads {
			if !stage.Optional && !isPattern(name) && !slices.ContainsFunc(all, func(w *workload) bool { return w.object.GetName() == name }) {
				return nil, refuse("stage %q names %q, and there is no such workload in %s", stage.Name, name, where)
			}
		}
	}
	return chosen, nil
}

// heldWarnings tell of workloads that a restore has stopped and not brought back.
// It was killed; or it is still at work, which nobody here can know.
func heldWarnings(chosen [][]*workload) []string {
	var warnings []string
	for _, w := range slices.Concat(chosen...) {
		if w.hold == nil {
			continue
		}
		d := w.described()
		warning := fmt.Sprintf("%s has been stopped by restore %s, with %s: another restore takes it over, and must not run beside that one", d, d.StoppedBy, counted(d.Replicas))
		if runs := replicasOf(w.object); runs != 0 {
			warning += fmt.Sprintf("; somebody has scaled it to %d since, and it will come back with %d", runs, d.Replicas)
		}
		warnings = append(warnings, warning)
	}
	return warnings
}
