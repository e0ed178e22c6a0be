package config

import (
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/secret"
)

// Retention says which points are kept, for each source by itself.
type Retention struct {
	Last    int `yaml:"last,omitempty" jsonschema:"minimum=0" jsonschema_description:"so many of the newest points"`
	Hourly  int `yaml:"hourly,omitempty" jsonschema:"minimum=0" jsonschema_description:"the newest point of each of so many hours"`
	Daily   int `yaml:"daily,omitempty" jsonschema:"minimum=0" jsonschema_description:"the newest point of each of so many days"`
	Weekly  int `yaml:"weekly,omitempty" jsonschema:"minimum=0" jsonschema_description:"the newest point of each of so many weeks, from Monday to Sunday"`
	Monthly int `yaml:"monthly,omitempty" jsonschema:"minimum=0" jsonschema_description:"the newest point of each of so many months"`
	Yearly  int `yaml:"yearly,omitempty" jsonschema:"minimum=0" jsonschema_description:"the newest point of each of so many years"`

	Within         quantity.Duration  `yaml:"within,omitempty" jsonschema_description:"every point that is no older than that, reckoned from the newest one: 7d"`
	Grace          *quantity.Duration `yaml:"grace,omitempty" jsonschema_description:"how long a forgotten point can still be restored, and an incomplete one is not forgotten; default 72h"`
	MaxDeleteShare *quantity.Percent  `yaml:"maxDeleteShare,omitempty" jsonschema_description:"most of the points, and of their bytes, that one prune may forget; default 30%. 30 points always go"`
	Zone           string             `yaml:"zone,omitempty" jsonschema_description:"where hours, days, weeks, months and years begin: Asia/Shanghai; default UTC"`
	SigningKey     secret.Ref         `yaml:"signingKey,omitempty" jsonschema_description:"the key that signs what becomes of points, whose role is pruner or operator: file:PATH or env:NAME; default that of the repository"`
}

// keeps reports whether any rule is given.
func (r *Retention) keeps() bool {
	return r.Last > 0 || r.Hourly > 0 || r.Daily > 0 || r.Weekly > 0 || r.Monthly > 0 || r.Yearly > 0 || r.Within > 0
}

// Location returns where days begin.
func (r *Retention) Location() (*time.Location, error) { return time.LoadLocation(r.Zone) }

func (d *decoder) validateRetention(at string, r *Retention) {
	if r == nil {
		return
	}
	negative := false
	for key, n := range map[string]int{
		"last": r.Last, "hourly": r.Hourly, "daily": r.Daily, "weekly": r.Weekly, "monthly": r.Monthly, "yearly": r.Yearly,
	} {
		if n < 0 {
			negative = true
			d.problem(child(at, key), "it is less than nothing")
		}
	}
	if !r.keeps() && !negative {
		d.problem(at, "it keeps nothing: one of last, hourly, daily, weekly, monthly, yearly and within must be more than 0; without retention nothing is ever forgotten")
	}
	if _, err := r.Location(); err != nil || strings.EqualFold(r.Zone, "local") {
		d.problem(child(at, "zone"), "it is not a zone such as Asia/Shanghai")
	}
}
