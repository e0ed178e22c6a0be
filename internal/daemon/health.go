package daemon

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/status"
)

// Health is what stands in the way of a daemon's work, by the part that it is about.
// It is safe for concurrent use.
type Health struct {
	// Changed is called when something else is wrong than before, and does not wait. It
	// may be nil, and is set before the first Set.
	Changed func()

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
	// schedulePart and a name are one schedule, of which runs are noted.
	schedulePart = "schedule "
)

// codes are those of what is wrong with a part, in a report.
var codes = map[string]status.Code{
	RepositoryPart: status.DaemonRepository, ConfigurationPart: status.DaemonConfiguration, HTTPPart: status.DaemonHTTP,
}

// Set notes what is wrong with a part, or that nothing is any more.
func (h *Health) Set(part string, err error) {
	if h.set(part, err) && h.Changed != nil {
		h.Changed()
	}
}

func (h *Health) set(part string, err error) (changed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.wrong[part]
	if err == nil {
		delete(h.wrong, part)
		return before != nil
	}
	if h.wrong == nil {
		h.wrong = map[string]error{}
	}
	h.wrong[part] = err
	return before == nil || before.Error() != err.Error()
}

// Problems says what is wrong, a line each.
func (h *Health) Problems() []string {
	var lines []string
	h.each(func(part string, err error) { lines = append(lines, part+": "+err.Error()) })
	return lines
}

// Reasons are the problems as those of a report.
func (h *Health) Reasons() []status.Reason {
	var reasons []status.Reason
	h.each(func(part string, err error) {
		why := status.Reason{Severity: status.Warning, Code: codes[part], Text: part + ": " + fault.OneLine(err.Error())}
		if name, is := strings.CutPrefix(part, schedulePart); is {
			why.Code, why.Subject = status.DaemonSchedule, name
		}
		reasons = append(reasons, why)
	})
	return reasons
}

func (h *Health) each(tell func(part string, err error)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, part := range slices.Sorted(maps.Keys(h.wrong)) {
		tell(part, h.wrong[part])
	}
}
