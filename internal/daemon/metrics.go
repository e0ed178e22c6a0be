package daemon

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openim-dr/openim-dr/internal/repository"
)

// Metrics are what a daemon tells of itself. Labels are names of the configuration,
// and so few.
type Metrics struct {
	leader    prometheus.Gauge
	attempts  *prometheus.CounterVec
	passedBy  *prometheus.CounterVec
	lateFor   *prometheus.CounterVec
	runningOf *prometheus.GaugeVec
	duration  *prometheus.HistogramVec
	attempted *prometheus.GaugeVec
	succeeded *prometheus.GaugeVec
	nextOf    *prometheus.GaugeVec
}

const namespace = "openim_dr"

// durations are bounds of runs, in seconds: from a small table to a large mirror.
var durations = []float64{1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 12 * 3600}

// NewMetrics registers the metrics of a daemon. Registering twice panics.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	gauges := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, []string{"schedule"})
	}
	m := &Metrics{
		leader: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: "leader", Help: "Whether this daemon runs the schedules (1) or stands by (0)."}),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "schedule_attempts_total", Help: "Attempts of runs that have ended, by result: ok, or the kind of failure.",
		}, []string{"schedule", "result"}),
		passedBy: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "schedule_passed_total", Help: "Due times that have passed without a run, since no daemon was there (missed) or the run before was still going on (overrun).",
		}, []string{"schedule", "why"}),
		lateFor: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "schedule_late_total", Help: "Runs that began when they had been due before: made up for, since no daemon was there (missed), or queued behind the run before (overrun).",
		}, []string{"schedule", "why"}),
		runningOf: gauges("schedule_running", "Whether a run is going on."),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "schedule_attempt_duration_seconds", Help: "How long attempts of runs took.", Buckets: durations,
		}, []string{"schedule"}),
		attempted: gauges("schedule_last_attempt_timestamp_seconds", "When the last attempt of a run has ended."),
		succeeded: gauges("schedule_last_success_timestamp_seconds", "When a run has last ended well."),
		nextOf:    gauges("schedule_next_timestamp_seconds", "When the next run is due; where that is past while one is running, the next one waits or is left out."),
	}
	registry.MustRegister(m.leader, m.attempts, m.passedBy, m.lateFor, m.runningOf, m.duration, m.attempted, m.succeeded, m.nextOf)
	return m
}

// begins makes the counters of a schedule begin at zero.
func (m *Metrics) begins(schedule string) {
	m.attempts.WithLabelValues(schedule, repository.ScheduleOK)
	for _, why := range []string{missed, overrun} {
		m.passedBy.WithLabelValues(schedule, why)
		m.lateFor.WithLabelValues(schedule, why)
	}
	m.runningOf.WithLabelValues(schedule)
}

// ends forgets what a schedule that is gone shows of the present.
func (m *Metrics) ends(schedule string) {
	m.runningOf.DeleteLabelValues(schedule)
	m.nextOf.DeleteLabelValues(schedule)
}

func (m *Metrics) leads(yes bool) {
	m.leader.Set(0)
	if yes {
		m.leader.Set(1)
	}
}

func (m *Metrics) next(schedule string, due time.Time) {
	m.nextOf.WithLabelValues(schedule).Set(float64(due.Unix()))
}

func (m *Metrics) passed(schedule, why string, n int) {
	m.passedBy.WithLabelValues(schedule, why).Add(float64(n))
}

// late counts a run that makes up for one that was due.
func (m *Metrics) late(schedule, why string) { m.lateFor.WithLabelValues(schedule, why).Inc() }

// begin notes that a run is going on, until end is called, and when the one after it is
// due: never, where that is the zero time.
func (m *Metrics) begin(schedule string, following time.Time) (end func()) {
	if !following.IsZero() {
		m.next(schedule, following)
	}
	m.runningOf.WithLabelValues(schedule).Set(1)
	return func() { m.runningOf.WithLabelValues(schedule).Set(0) }
}

func (m *Metrics) attempt(run repository.ScheduleRun, took time.Duration) {
	m.attempts.WithLabelValues(run.Schedule, run.Result).Inc()
	m.duration.WithLabelValues(run.Schedule).Observe(took.Seconds())
	m.remember(run)
}

// remember shows how a run has ended, be it one of an earlier process.
func (m *Metrics) remember(run repository.ScheduleRun) {
	if run.Result == repository.ScheduleNew {
		return
	}
	m.attempted.WithLabelValues(run.Schedule).Set(float64(run.Ended.Unix()))
	if run.Result == repository.ScheduleOK {
		m.succeeded.WithLabelValues(run.Schedule).Set(float64(run.Ended.Unix()))
	}
}
