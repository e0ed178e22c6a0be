package kube

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/openim-dr/openim-dr/internal/kube/document"
)

const (
	// triedConflicts bounds the objects of one target about which the server is
	// asked, and shownConflicts those that are listed.
	triedConflicts = 200
	shownConflicts = 20
	// shownFields bounds the fields of one object that are listed.
	shownFields = 8
)

// note remembers some of the objects that differ.
func (c *census) note(k key) {
	if len(c.changed) < triedConflicts && !slices.Contains(c.changed, k) {
		c.changed = append(c.changed, k)
	}
}

// conflicts tells whose fields would be overwritten. Server-side apply knows, and is
// asked in a dry run: fields that another manager has set to another value conflict.
func (r *planner) conflicts(ctx context.Context, planned *plannedNamespace, changed []key) error {
	if len(changed) == 0 {
		return nil
	}
	slices.SortFunc(changed, func(a, b key) int { return strings.Compare(a.String(), b.String()) })
	target := r.session.target(planned.target)
	of := func(gk schema.GroupKind) bool {
		return slices.ContainsFunc(changed, func(k key) bool { return k.GroupKind == gk })
	}
	told := map[key]string{}
	err := r.point.documentsOf(ctx, planned.captured.Name, of, func(d document.Document) error {
		if !r.point.selection.wants(planned.captured.Name, keyOf(d.Object)) {
			return nil
		}
		if r.point.current(planned.captured.Name, d.Object); !slices.Contains(changed, keyOf(d.Object)) {
			return nil
		}
		found, err := r.conflictsOf(ctx, planned, d.Object)
		told[keyOf(d.Object)] = found
		return err
	})
	if answered(err, metav1.StatusReasonForbidden) {
		r.warn("%s: whose fields would be overwritten is not known: %v", target, err)
		return nil
	}
	if err != nil {
		return err
	}
	shown := 0
	for _, k := range changed {
		if told[k] == "" {
			continue
		}
		if shown++; shown > shownConflicts {
			r.warn("%s: fields of further objects would be overwritten", target)
			break
		}
		r.warn("%s: of %s would be overwritten %s", target, k, told[k])
	}
	return nil
}

// conflictsOf says in words which fields of one object, as it is to be, are in whose
// name.
func (r *planner) conflictsOf(ctx context.Context, planned *plannedNamespace, u *unstructured.Unstructured) (string, error) {
	k, err := r.catalog.captured(ctx, u.GroupVersionKind())
	if err != nil {
		return "", err
	}
	namespace := namespaceOf(planned.target)
	u.SetNamespace(namespace)
	started := time.Now()
	_, err = r.session.objects.Resource(k.gvr()).Namespace(namespace).Apply(ctx, u.GetName(), u, metav1.ApplyOptions{
		FieldManager: fieldManager, DryRun: []string{metav1.DryRunAll},
	})
	var status apierrors.APIStatus
	switch {
	case err == nil:
		return "", nil
	case errors.As(err, &status) && status.Status().Reason == metav1.StatusReasonConflict:
		return describeConflicts(status.Status()), nil
	}
	err = r.session.fail(call{verb: "patch", resource: k.rbac(), namespace: namespace, name: u.GetName()}, started, err)
	if answered(err, metav1.StatusReasonInvalid, metav1.StatusReasonBadRequest) {
		return "", nil // an immutable field: the object is replaced as a whole
	}
	return "", err
}

// conflictManager finds the manager in the server's text about a conflict.
var conflictManager = regexp.MustCompile(`^conflict with ("(?:[^"\\]|\\.)*")`)

func describeConflicts(status metav1.Status) string {
	if status.Details == nil {
		return ""
	}
	var fields []string
	for _, cause := range status.Details.Causes {
		if cause.Type != metav1.CauseTypeFieldManagerConflict {
			continue
		}
		text := strings.TrimPrefix(cause.Field, ".")
		if by := conflictManager.FindStringSubmatch(cause.Message); by != nil {
			text += " of " + by[1]
		}
		fields = append(fields, text)
	}
	slices.Sort(fields)
	shown := strings.Join(fields[:min(len(fields), shownFields)], ", ")
	if more := len(fields) - shownFields; more > 0 {
		shown += fmt.Sprintf(" and %d more", more)
	}
	return shown
}
