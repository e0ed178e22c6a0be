package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// choice is what settings choose among the kinds that a server serves.
type choice struct {
	kinds   []kind                    // in the order of capture
	named   map[schema.GroupKind]bool // asked for by name, and not by a pattern alone
	broken  []string                  // API groups that do not answer; patterns alone may mean them
	leftOut []string                  // kinds that a pattern means and that are better not captured
}

func (c *choice) add(k kind) {
	if !slices.ContainsFunc(c.kinds, func(other kind) bool { return other.GroupKind() == k.GroupKind() }) {
		c.kinds = append(c.kinds, k)
	}
}

// choose finds the kinds that the settings name and those that their patterns
// match. A name that the server does not serve is an error, and so is a pattern
// that matches nothing: a point must not be missing what somebody believes is in it.
func (c *catalog) choose(ctx context.Context, settings Settings) (*choice, error) {
	chosen := &choice{named: map[schema.GroupKind]bool{}}
	var names, patterns []string
	for _, text := range settings.Kinds {
		if isPattern(text) {
			patterns = append(patterns, strings.ToLower(text))
		} else {
			names = append(names, text)
		}
	}
	named, err := c.configured(ctx, names)
	if err != nil {
		return nil, err
	}
	for _, k := range named {
		chosen.add(k)
		chosen.named[k.GroupKind()] = true
	}
	if len(patterns) > 0 {
		if err := c.match(ctx, chosen, patterns); err != nil {
			return nil, err
		}
	}
	chosen.kinds = slices.DeleteFunc(chosen.kinds, func(k kind) bool {
		return matchesAny(settings.Exclude.Kinds, k.rbac()) || settings.scope.leavesOut(k)
	})
	sortKinds(chosen.kinds)
	return chosen, nil
}

// match adds what patterns mean, in the first version of its group that serves it.
func (c *catalog) match(ctx context.Context, chosen *choice, patterns []string) error {
	groups, err := c.groups(ctx)
	if err != nil {
		return err
	}
	matched := make([]bool, len(patterns))
	for _, versions := range groups {
		group, offered := versions[0].Group, map[string]bool{}
		for _, gv := range versions {
			resources, err := c.resources(ctx, gv)
			if group != "" && isBroken(err) {
				if mayMean(patterns, matched, group) && !slices.Contains(chosen.broken, group) {
					chosen.broken = append(chosen.broken, group)
				}
				continue
			}
			if err != nil {
				return err
			}
			for _, r := range resources {
				if offered[r.Name] || isSubresource(r) || !capturable(r) {
					continue
				}
				offered[r.Name] = true
				chosen.match(kindOf(gv, r), patterns, matched)
			}
		}
	}
	if at := slices.Index(matched, false); at >= 0 {
		return c.unsupported("no kind matches %q", patterns[at])
	}
	return nil
}

func (c *choice) match(k kind, patterns []string, matched []bool) {
	found := false
	for i, pattern := range patterns {
		if matchesAny([]string{pattern}, k.rbac()) {
			matched[i], found = true, true
		}
	}
	switch {
	case !found || k.GroupKind() == namespaceKind.GroupKind():
	case c.named[k.GroupKind()]:
	case remade[k.GroupKind().String()].whole():
		c.leftOut = append(c.leftOut, fmt.Sprintf("%s (%s)", k.rbac(), remade[k.GroupKind().String()].why))
	default:
		c.add(k)
	}
}

// mayMean reports whether a pattern may mean kinds of a group that does not say
// what it serves. Such a pattern is not held to match nothing.
func mayMean(patterns []string, matched []bool, group string) bool {
	means := false
	for i, pattern := range patterns {
		_, ofGroup, written := strings.Cut(pattern, ".")
		if fits, err := path.Match(ofGroup, group); !written || err == nil && fits || matchesAny([]string{pattern}, "x."+group) {
			matched[i], means = true, true
		}
	}
	return means
}

// groups returns the versions of every API group, the core group first.
func (c *catalog) groups(ctx context.Context) ([][]schema.GroupVersion, error) {
	data, err := c.session.get(ctx, call{verb: "discover", resource: "API groups"}, "/apis")
	if err != nil {
		return nil, err
	}
	var list metav1.APIGroupList
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("read which API groups %s has: %w", c.session.cluster, err)
	}
	groups := [][]schema.GroupVersion{{{Version: "v1"}}}
	for _, g := range list.Groups {
		groups = append(groups, versionsOf(g))
	}
	return groups, nil
}

// isBroken reports whether an API group is announced and does not answer, which is
// what becomes of one whose server is down. No answer at all is another matter.
func isBroken(err error) bool {
	var answer *answerError
	return isUnserved(err) || errors.As(err, &answer) && (answer.code >= http.StatusInternalServerError || answer.code == http.StatusForbidden)
}

// forbidden is a kind that the credentials may not list in a part of the cluster.
type forbidden struct {
	kind kind
	part string
}

func (f forbidden) String() string { return f.kind.GroupKind().String() + " in " + f.part }

func (f forbidden) right() string {
	return readRight(f.kind, namespaceOf(f.part)).call().right()
}

// forbidden finds the kinds that may not be listed, before any is.
func (s *session) forbidden(ctx context.Context, kinds []kind, namespaces []string) ([]forbidden, error) {
	var found []forbidden
	for _, k := range kinds {
		// Whoever may list them in the whole cluster need not be asked about each namespace.
		everywhere, err := s.may(ctx, k, readRight(k, "").call())
		if err != nil {
			return nil, err
		}
		if everywhere {
			continue
		}
		if !k.namespaced {
			found = append(found, forbidden{k, clusterPart})
			continue
		}
		for _, namespace := range namespaces {
			allowed, err := s.may(ctx, k, readRight(k, namespace).call())
			if err != nil {
				return nil, err
			}
			if !allowed {
				found = append(found, forbidden{k, namespace})
			}
		}
	}
	return found, nil
}

// requireNamed refuses where something that may not be listed was asked for by
// name. What only a pattern means is left out.
func (c *choice) requireNamed(s *session, found []forbidden) error {
	var missing []string
	for _, f := range found {
		if c.named[f.kind.GroupKind()] {
			missing = append(missing, f.right())
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fault.New(fault.Usage, "capture", "the credentials lack the rights %s", strings.Join(missing, ", ")).On("kubernetes " + s.cluster).
		Hint("grant them as `openim-dr config rbac` prints them; `openim-dr doctor` lists every right that is missing")
}
