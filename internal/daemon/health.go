package daemon

import (
	"maps"
	"slices"
	"sync"
)

// Health is what stands in the way of a daemon's work, by the part that it is about.
// It is safe for concurrent use.
type Health struct {
	mu    sync.Mutex
	wrong map[string]error
}

// Parts of a daemon.
const (
	// RepositoryPart is the repository, which runs are noted in.
	RepositoryPart = "repository"
	// ConfigurationPart is the configuration, which the owner of a daemon reads.
	ConfigurationPart = "configuration"
	// HTTPPart is what is answered to those who look.
	HTTPPart = "http"
)

// Set notes what is wrong with a part, or that nothing is any more.
func (h *Health) Set(part string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.wrong == nil {
		h.wrong = map[string]error{}
	}
	if err == nil {
		delete(h.wrong, part)
	} else {
		h.wrong[part] = err
	}
}

// Problems says what is wrong, a line each.
func (h *Health) Problems() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var lines []string
	for _, part := range slices.Sorted(maps.Keys(h.wrong)) {
		lines = append(lines, part+": "+h.wrong[part].Error())
	}
	return lines
}
