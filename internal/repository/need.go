package repository

import (
	"strings"
	"sync"
	"time"
)

// Needs is what points need of a repository, as a listing has found it. It holds
// some hundred bytes of each point, whatever it consists of.
type Needs struct {
	mu sync.Mutex
	of map[string]*need
}

// need is what a manifest says of what its point needs, besides the files in the
// point's own directory: these are nobody else's.
type need struct {
	fenced  bool // it is none: the run was given up
	stream  streamName
	started time.Time
	lists   []listRef
	keys    []string
	others  []string // files in other places, which no writer names
}

type listRef struct{ path, sha256 string }

func needOf(point string, m *Manifest) *need {
	if m.Kind == kindAbandoned {
		return &need{fenced: true}
	}
	n := &need{stream: streamName{m.Instance, m.Stream}, started: m.Started, keys: m.runKeys()}
	for _, f := range m.Files {
		if isBucketList(f) {
			n.lists = append(n.lists, listRef{strings.Clone(f.Path), f.SHA256})
		}
		if !strings.HasPrefix(f.Path, pointDir(point)) {
			n.others = append(n.others, f.Path)
		}
	}
	return n
}

func (n *Needs) add(point string, need *need) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.of[point] = need
}

// get returns what is known of a point, or nil. It may be called of none.
func (n *Needs) get(point string) *need {
	if n == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.of[point]
}
