// Package alerts tests the alerts and the dashboard of the chart as Prometheus itself
// evaluates them. It is a module of its own: Prometheus needs several hundred others.
package alerts
