package progress

import (
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"
)

// counter is what every task that is shown counts with.
type counter struct {
	unit    Unit
	started time.Time
	done    atomic.Int64
	total   atomic.Int64
}

func newCounter(unit Unit, total int64, now time.Time) *counter {
	c := &counter{unit: unit, started: now}
	c.total.Store(total)
	return c
}

// number writes n without the unit's name, which bytes alone cannot do
// without.
func (u Unit) number(n int64) string {
	if u == Bytes {
		return humanize.IBytes(uint64(max(n, 0)))
	}
	return humanize.Comma(n)
}

// name of the unit.
func (u Unit) name() string { return [...]string{Bytes: "bytes", Rows: "rows", Objects: "objects"}[u] }

// amount writes n in the unit.
func (u Unit) amount(n int64) string {
	if u == Bytes {
		return u.number(n)
	}
	return u.number(n) + " " + u.name()
}

// counted returns "12 of 40 rows", or "12 rows" where the total is unknown.
func (c *counter) counted() string {
	done, total := c.done.Load(), c.total.Load()
	if total <= 0 {
		return c.unit.amount(done)
	}
	return c.unit.number(done) + " of " + c.unit.amount(total)
}

// rate returns units per second since the start.
func (c *counter) rate(now time.Time) float64 {
	seconds := now.Sub(c.started).Seconds()
	if seconds <= 0 {
		return 0
	}
	return float64(c.done.Load()) / seconds
}

// speed writes the rate.
func (c *counter) speed(now time.Time) string { return c.unit.amount(int64(c.rate(now))) + "/s" }

// remaining estimates how long the rest takes; ok is false where nothing is
// known yet.
func (c *counter) remaining(now time.Time) (left time.Duration, ok bool) {
	rate, total := c.rate(now), c.total.Load()
	if rate <= 0 || total <= 0 {
		return 0, false
	}
	seconds := float64(max(total-c.done.Load(), 0)) / rate
	return time.Duration(min(seconds, 1e9) * float64(time.Second)).Round(time.Second), true
}
