package scratch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/source"
)

// Peer is a configured server, under the name that a message gives it: "source
// main", "target dr-site/main".
type Peer struct {
	Name   string
	Source source.Restorer
}

// identityTimeout bounds how long one server is asked who it is.
const identityTimeout = 30 * time.Second

// RequireScratch refuses servers that are given to a drill unless each of them
// holds nothing at all and is none of the others, which are all that is
// configured besides. No flag overrules it. Of others that do not answer only
// the addresses are compared; their names are returned.
func RequireScratch(ctx context.Context, given, others []Peer) (unanswered []string, err error) {
	marks := make([]map[string]bool, len(given))
	for i, g := range given {
		if marks[i], err = marksOf(ctx, g); err != nil {
			return nil, fault.New(fault.Failed, "find out which server is given to the drill", "%w", err).On(g.Name).
				Hint("a server whose identity is not known could be one of the sources; see that it answers")
		}
	}
	unanswered, err = requireOthers(ctx, given, marks, others)
	if err != nil {
		return unanswered, err
	}
	for _, g := range given {
		if err := requireEmpty(ctx, g); err != nil {
			return unanswered, err
		}
	}
	return unanswered, nil
}

// requireOthers refuses a given server that shares a mark with another.
func requireOthers(ctx context.Context, given []Peer, marks []map[string]bool, others []Peer) (unanswered []string, err error) {
	found := make([]map[string]bool, len(others))
	failed := make([]error, len(others))
	var group errgroup.Group
	for i, o := range others {
		group.Go(func() error {
			found[i], failed[i] = marksOf(ctx, o)
			return nil
		})
	}
	_ = group.Wait() // their errors are in failed
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for i, o := range others {
		if failed[i] != nil {
			unanswered = append(unanswered, o.Name)
		}
		for j, g := range given {
			if shared := shares(marks[j], found[i]); shared != "" {
				return unanswered, fault.New(fault.Refused, "restore for a drill into", "it is the same server as %s: both are %s", o.Name, shared).On(g.Name).
					Hint("give the drill servers of its own, which hold nothing; no flag overrules this")
			}
		}
	}
	return unanswered, nil
}

// marksOf asks a server who it is. Servers of a kind that cannot say so are none
// of those that a drill restores into.
func marksOf(ctx context.Context, p Peer) (map[string]bool, error) {
	identified, ok := p.Source.(source.Identified)
	if !ok {
		return nil, fmt.Errorf("its kind does not say which server it is")
	}
	ctx, cancel := context.WithTimeout(ctx, identityTimeout)
	defer cancel()
	marks, err := identified.Identity(ctx)
	set := make(map[string]bool, len(marks))
	for _, m := range marks {
		set[m] = true
	}
	return set, err
}

func shares(a, b map[string]bool) string {
	var shared []string
	for m := range a {
		if b[m] {
			shared = append(shared, m)
		}
	}
	if len(shared) == 0 {
		return ""
	}
	return slices.Min(shared)
}

// requireEmpty refuses a server that holds anything, also beside what would be
// restored.
func requireEmpty(ctx context.Context, p Peer) error {
	inhabited, ok := p.Source.(source.Inhabited)
	if !ok {
		return fault.New(fault.Usage, "restore for a drill into", "its kind does not say whether it is empty").On(p.Name)
	}
	held, err := inhabited.Inhabitants(ctx)
	if err != nil {
		return fault.New(fault.Failed, "find out whether a server is empty that is given to the drill", "%w", err).On(p.Name)
	}
	if len(held) > 0 {
		return fault.New(fault.Refused, "restore for a drill into", "it is not empty: %s holds %s, and there are %d more", held[0].Target, held[0].Holds, len(held)-1).On(p.Name).
			Hint("a drill restores into servers that hold nothing, and no flag overrules this; what a drill that was killed has left there is removed by hand")
	}
	return nil
}
