package daemon

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/openim-dr/openim-dr/internal/status"
)

// StatusMetrics are what the last report says. Labels are names of the configuration.
type StatusMetrics struct {
	state, seen                            prometheus.Gauge
	rpo, rto, measured, uncovered          *prometheus.GaugeVec // of no labels: Reset takes the one away
	point, proof, rows, objects, bytes     *prometheus.GaugeVec
	storedBytes, storedFiles, behindOfCopy *prometheus.GaugeVec
	reasons                                *prometheus.GaugeVec
}

// severityOf orders states for alerts.
var severityOf = map[string]float64{status.OK: 0, status.Warning: 1, status.Critical: 2}

// NewStatusMetrics registers the metrics. Registering twice panics.
func NewStatusMetrics(registry prometheus.Registerer) *StatusMetrics {
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
		registry.MustRegister(g)
		return g
	}
	gauges := func(name, help string, labels ...string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
		registry.MustRegister(g)
		return g
	}
	return &StatusMetrics{
		state:        gauge("status", "How things stand: 0 ok, 1 warning, 2 critical."),
		seen:         gauge("status_timestamp_seconds", "When the repository was last looked at."),
		reasons:      gauges("status_reasons", "How many reasons there are why things do not stand well.", "severity"),
		rpo:          gauges("objective_rpo_seconds", "How old the newest restorable state of a source may be."),
		rto:          gauges("objective_rto_seconds", "How long a restore may take."),
		measured:     gauges("rto_measured_seconds", "How long the newest drill took that has restored every source."),
		uncovered:    gauges("uncovered_stores", "Stores of the deployment that no source covers, as far as the last look has seen."),
		point:        gauges("source_newest_point_timestamp_seconds", "When the newest restorable state of a source was captured.", "source"),
		proof:        gauges("source_newest_proof_timestamp_seconds", "When a drill has last shown that a source comes back.", "source"),
		rows:         gauges("source_captured_rows", "Rows in the newest restorable point of a source.", "source"),
		objects:      gauges("source_captured_objects", "Objects and documents in the newest restorable point of a source.", "source"),
		bytes:        gauges("source_captured_bytes", "Bytes before compression in the newest restorable point of a source.", "source"),
		storedBytes:  gauges("place_stored_bytes", "Bytes that the repository or a copy holds.", "place"),
		storedFiles:  gauges("place_stored_files", "Files that the repository or a copy holds.", "place"),
		behindOfCopy: gauges("copy_behind_seconds", "How much older the newest state in a copy is, of the source that is furthest behind.", "copy"),
	}
}

// Set shows a report. Whatever it does not tell is not shown either.
func (m *StatusMetrics) Set(r *status.Report) {
	m.state.Set(severityOf[r.State])
	m.seen.Set(float64(r.Time.Unix()))
	count := map[string]float64{status.Warning: 0, status.Critical: 0}
	for _, reason := range r.Reasons {
		count[reason.Severity]++
	}
	for severity, n := range count {
		m.reasons.WithLabelValues(severity).Set(n)
	}
	m.objectives(r)
	m.coverage(r)
	m.sources(r)
	m.places(r)
}

func (m *StatusMetrics) objectives(r *status.Report) {
	o := r.Objectives
	for metric, seconds := range map[*prometheus.GaugeVec]*float64{m.rpo: o.RPO.ObjectiveSeconds, m.rto: o.RTO.ObjectiveSeconds, m.measured: o.RTO.MeasuredSeconds} {
		if metric.Reset(); seconds != nil {
			metric.WithLabelValues().Set(*seconds)
		}
	}
}

func (m *StatusMetrics) coverage(r *status.Report) {
	if m.uncovered.Reset(); r.UncoveredStores != nil {
		m.uncovered.WithLabelValues().Set(float64(*r.UncoveredStores))
	}
}

func (m *StatusMetrics) sources(r *status.Report) {
	for _, all := range []*prometheus.GaugeVec{m.point, m.proof, m.rows, m.objects, m.bytes} {
		all.Reset()
	}
	for _, s := range r.Objectives.RPO.Sources {
		if s.Time == nil {
			continue
		}
		m.point.WithLabelValues(s.Source).Set(float64(s.Time.Unix()))
		m.rows.WithLabelValues(s.Source).Set(float64(s.Summary.Rows))
		m.objects.WithLabelValues(s.Source).Set(float64(s.Summary.Objects + s.Summary.Documents))
		m.bytes.WithLabelValues(s.Source).Set(float64(s.Summary.Bytes))
	}
	for _, p := range r.Proofs {
		if p.Proven != nil {
			m.proof.WithLabelValues(p.Source).Set(float64(p.Proven.Unix()))
		}
	}
}

func (m *StatusMetrics) places(r *status.Report) {
	for _, all := range []*prometheus.GaugeVec{m.storedBytes, m.storedFiles, m.behindOfCopy} {
		all.Reset()
	}
	for i, c := range r.Copies {
		if c.Stored != nil {
			m.storedBytes.WithLabelValues(c.Name).Set(float64(*c.Stored))
			m.storedFiles.WithLabelValues(c.Name).Set(float64(*c.Files))
		}
		if i > 0 && c.Reachable {
			m.behindOfCopy.WithLabelValues(c.Name).Set(c.Behind())
		}
	}
}
