package daemon

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/openim-dr/openim-dr/internal/notify"
)

// NotifyMetrics count what became of notifications and heartbeats. Labels are names of
// the configuration.
type NotifyMetrics struct {
	notifications *prometheus.CounterVec
	heartbeats    *prometheus.CounterVec
}

// NewNotifyMetrics registers the metrics. Registering twice panics.
func NewNotifyMetrics(registry prometheus.Registerer) *NotifyMetrics {
	m := &NotifyMetrics{
		notifications: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "notifications_total", Help: "Notifications by what became of them: ok, failed after all attempts, replaced by a newer one about the same thing before it was sent, or dropped since too many were waiting.",
		}, []string{"notification", "result"}),
		heartbeats: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "heartbeats_total", Help: "Heartbeats by what became of them: ok or failed.",
		}, []string{"result"}),
	}
	registry.MustRegister(m.notifications, m.heartbeats)
	return m
}

// Begin makes the counters of a notification begin at zero.
func (m *NotifyMetrics) Begin(notification string) {
	for _, result := range []string{notify.OK, notify.Failed, notify.Replaced, notify.Dropped} {
		m.notifications.WithLabelValues(notification, result)
	}
}

// Notification counts one.
func (m *NotifyMetrics) Notification(name, result string) {
	m.notifications.WithLabelValues(name, result).Inc()
}

// Heartbeat counts one.
func (m *NotifyMetrics) Heartbeat(result string) { m.heartbeats.WithLabelValues(result).Inc() }
