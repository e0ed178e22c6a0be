package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Purpose is what somebody is to be allowed.
type Purpose string

// All purposes.
const (
	ForBackup  Purpose = "backup"
	ForRestore Purpose = "restore"
	ForVolumes Purpose = "volumes" // of a restore: claims of snapshots
	ForQuiesce Purpose = "quiesce"
	ForPrune   Purpose = "prune"
	ForDrill   Purpose = "drill"
	ForElect   Purpose = "elect"
	ForDoctor  Purpose = "doctor"
)

// Access is the least that a purpose takes in the cluster of a source.
type Access struct {
	name    string // of the source
	purpose Purpose
	grants  []grant
	notes   []string // why, for whoever is to grant it
}

// grant is a right, or that to one object alone.
type grant struct {
	right
	name string // of the only object; empty: all of the kind
}

func (g grant) call() call {
	what := g.right.call()
	what.name = g.name
	return what
}

func (a *Access) add(rights ...right) {
	for _, r := range rights {
		a.grants = append(a.grants, grant{right: r})
	}
}

// see grants to look whether there is a namespace, and what it is like. The server
// takes that for a request within the namespace, so that a Role there suffices.
func (a *Access) see(namespace string) {
	a.grants = append(a.grants, grant{right{"get", namespaceKind, namespace}, namespace})
}

// compact leaves each right once, in the whole cluster or in a namespace.
func (a *Access) compact() {
	var once []grant
	for _, g := range a.grants {
		everywhere := grant{right: right{g.verb, g.kind, ""}}
		if !slices.Contains(once, g) && (g == everywhere || !slices.Contains(a.grants, everywhere)) {
			once = append(once, g)
		}
	}
	a.grants = once
}

func (a *Access) note(format string, args ...any) {
	a.notes = append(a.notes, fmt.Sprintf(format, args...))
}

// AccessFor computes what a capture with these settings takes, or a restore of what
// they capture. The cluster is asked which kinds it serves, unless only Secrets and
// ConfigMaps are captured: these every cluster has.
func (c *Cluster) AccessFor(ctx context.Context, purpose Purpose) (*Access, error) {
	switch purpose {
	case ForDoctor:
		return c.doctorAccess(), nil
	case ForVolumes, ForPrune:
		return c.volumesAccess(purpose)
	}
	chosen, err := c.kindsToGrant(ctx)
	if err != nil {
		return nil, fmt.Errorf("find the kinds of source %q: %w", c.name, err)
	}
	a := &Access{name: c.name, purpose: purpose}
	switch purpose {
	case ForRestore:
		a.restore(chosen.kinds, a.places(c.settings.Namespaces))
	case ForDrill:
		a.drill(chosen.kinds)
	default:
		a.backup(chosen.kinds, a.places(c.settings.Namespaces))
		a.backupVolumes(c.settings.Volumes)
	}
	a.compact()
	if patterns := slices.DeleteFunc(slices.Clone(c.settings.Kinds), func(name string) bool { return !isPattern(name) }); len(patterns) > 0 {
		a.note("Of kinds, those that %s means in this cluster today: print this again when it serves others.", strings.Join(patterns, ", "))
	}
	if len(chosen.broken) > 0 {
		a.note("Of these API groups nothing is known, since they do not answer: %s.", strings.Join(chosen.broken, ", "))
	}
	return a, nil
}

// doctorAccess is what doctor takes beside what a backup does. Without it doctor says
// what it was not allowed to look at.
func (c *Cluster) doctorAccess() *Access {
	a := &Access{name: c.name, purpose: ForDoctor}
	a.each(examinedKinds, a.places(c.settings.Namespaces), func(k kind, namespace string) []right { return []right{readRight(k, namespace)} })
	a.add(readRight(volumeKind, ""), readRight(snapshotClassKind, ""))
	a.examineVolumes(c.settings.Volumes)
	a.note("With these and those for backup doctor looks at everything: what runs, on which volumes, and whether they can be snapped.")
	a.compact()
	return a
}

// alwaysServed are the kinds that need not be looked for.
var alwaysServed = []kind{
	{GroupVersionKind: schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, resource: "configmaps", namespaced: true},
	{GroupVersionKind: schema.GroupVersionKind{Version: "v1", Kind: "Secret"}, resource: "secrets", namespaced: true},
}

func (c *Cluster) kindsToGrant(ctx context.Context) (*choice, error) {
	known := new(choice)
	for _, k := range alwaysServed {
		if slices.Contains(c.settings.Kinds, k.resource) && !matchesAny(c.settings.Exclude.Kinds, k.resource) {
			known.add(k)
		}
	}
	unknown := slices.ContainsFunc(c.settings.Kinds, func(name string) bool {
		return !slices.ContainsFunc(alwaysServed, func(k kind) bool { return k.resource == name })
	})
	if !unknown {
		return known, nil
	}
	s, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	return newCatalog(s).choose(ctx, c.settings)
}

// places are the namespaces in which rights are granted; an empty one is the whole
// cluster.
func (a *Access) places(namespaces []string) []string {
	if at := slices.IndexFunc(namespaces, isPattern); at >= 0 {
		a.note("In every namespace, since namespaces are chosen by the pattern %s, and a Role knows no patterns. Name them in the configuration to have Roles in them alone.", namespaces[at])
		return []string{""}
	}
	named := slices.Sorted(slices.Values(namespaces))
	return slices.Compact(named)
}

// each adds what a kind takes, in each of the places, or once where it belongs to
// none.
func (a *Access) each(kinds []kind, places []string, rights func(k kind, namespace string) []right) {
	for _, k := range kinds {
		if !k.namespaced {
			a.add(rights(k, "")...)
			continue
		}
		for _, namespace := range places {
			a.add(rights(k, namespace)...)
		}
	}
}

func (a *Access) backup(kinds []kind, places []string) {
	for _, namespace := range places {
		if namespace == "" {
			a.add(readRight(namespaceKind, ""), right{"get", namespaceKind, ""})
			continue
		}
		a.see(namespace)
	}
	a.each(kinds, places, func(k kind, namespace string) []right { return []right{readRight(k, namespace)} })
	a.note("To list is to read: whoever may list Secrets has them all. By its name no object can be kept from a list.")
}

func (a *Access) restore(kinds []kind, places []string) {
	for _, namespace := range places {
		if namespace == "" {
			a.add(right{"get", namespaceKind, ""}, right{"create", namespaceKind, ""})
			continue
		}
		a.see(namespace)
	}
	if !slices.Contains(places, "") {
		if !slices.Contains(places, systemNamespace) {
			a.see(systemNamespace)
			a.note("By %s a restore that is resumed knows that it is still the same cluster.", systemNamespace)
		}
		a.note("A Role is in its namespace: one that is lost is made first (`kubectl create namespace NAME`), and its labels are not restored then. An administrator's kubeconfig needs none of this.")
	}
	a.each(kinds, places, restoreRights)
	if slices.ContainsFunc(kinds, func(k kind) bool { return len(escalations(k.rbac(), "")) > 0 }) {
		a.note("With escalate and bind roles are restored that grant more than this account has: it can give itself every right. Bind this only while a restore runs.")
	}
	a.note("A point that was made with other kinds takes them, too: the plan of its restore names what is missing. Names cannot be given: no Role restricts by name what is created.")
}

// drill adds what it takes to offer objects to a server in a dry run, for which the
// server wants the right to do it in earnest.
func (a *Access) drill(kinds []kind) {
	a.add(drillRights...)
	for _, k := range kinds {
		a.add(right{"create", k, ""})
	}
	a.note("In every namespace, since each drill makes one of its own. The server wants the right to create also where nothing is: whoever has these can create such objects in earnest, so let the cluster be one that serves nothing else.")
	if slices.ContainsFunc(kinds, func(k kind) bool { return len(escalations(k.rbac(), "")) > 0 }) {
		a.note("Roles that grant more than this account has are not tried: that would take escalate and bind, with which it could give itself every right.")
	}
}

// restoreRights are what restoring a kind takes, whatever is at the target.
func restoreRights(k kind, namespace string) []right {
	needed := append([]right{readRight(k, namespace)}, writeRights(k, namespace, true)...)
	// Whose fields would be overwritten is asked by an apply in a dry run.
	needed = append(needed, right{"patch", k, namespace})
	return append(needed, escalations(k.rbac(), namespace)...)
}

var (
	roleKind        = roleOf("Role", "roles", true)
	clusterRoleKind = roleOf("ClusterRole", "clusterroles", false)
)

func roleOf(name, resource string, namespaced bool) kind {
	return kind{schema.GroupVersionKind{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: name}, resource, namespaced}
}

// escalations are what it takes to write roles and bindings that grant what the
// writer has not. Whoever has all of that needs none of them, and so a plan does not
// ask for them.
func escalations(resource, namespace string) []right {
	switch resource {
	case roleKind.rbac():
		return []right{{"escalate", roleKind, namespace}}
	case clusterRoleKind.rbac():
		return []right{{"escalate", clusterRoleKind, namespace}}
	case "rolebindings." + roleKind.Group:
		return []right{{"bind", roleKind, namespace}, {"bind", clusterRoleKind, namespace}}
	case "clusterrolebindings." + roleKind.Group:
		return []right{{"bind", clusterRoleKind, namespace}}
	default:
		return nil
	}
}

// Access returns what stopping workloads and bringing them back takes.
func (q *Quiescer) Access() *Access {
	a := &Access{name: q.cluster.name, purpose: ForQuiesce}
	for _, namespace := range a.places(q.cluster.settings.Namespaces) {
		if namespace == "" {
			a.add(readRight(namespaceKind, ""))
		}
		for _, r := range quiesceRights {
			a.add(right{r.verb, r.kind, namespace})
		}
		a.add(readRight(autoscalerKind, namespace))
	}
	a.note("What is to be brought back says so itself, and is looked for among all workloads; so patch is for all of them, too. HorizontalPodAutoscalers are listed in order to warn of them.")
	return a
}
