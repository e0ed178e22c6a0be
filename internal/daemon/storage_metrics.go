package daemon

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/openim-dr/openim-dr/internal/storage"
)

// NewStorageMetrics registers a counter of calls to storages, and returns what counts
// one. Registering twice panics.
func NewStorageMetrics(registry prometheus.Registerer) (count func(storage.Class)) {
	calls := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Name: "storage_requests_total", Help: "Calls to the storages of the repository and its copies, by class; a long listing and a large object take several requests.",
	}, []string{"class"})
	for _, class := range storage.Classes {
		calls.WithLabelValues(string(class))
	}
	registry.MustRegister(calls)
	return func(class storage.Class) { calls.WithLabelValues(string(class)).Inc() }
}
