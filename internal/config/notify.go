package config

import (
	"slices"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/notify"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/secret"
)

// Notification is somebody whom a daemon tells what is wrong.
type Notification struct {
	Name        string            `yaml:"name" jsonschema_description:"what logs and metrics call it"`
	URL         secret.Ref        `yaml:"url" jsonschema_description:"where messages go, as a URL of shoutrrr, which is a secret: file:PATH or env:NAME"`
	On          []notify.Event    `yaml:"on,omitempty" jsonschema_description:"of what: failure, recovery, missed, objective, proof, drift, shrink; without it of all"`
	MinSeverity string            `yaml:"minSeverity,omitempty" jsonschema:"enum=warning,enum=critical" jsonschema_description:"leave out what is less: warning (default) or critical"`
	RemindAfter quantity.Duration `yaml:"remindAfter,omitempty" jsonschema_description:"how long after it was told what still lasts is told again; default 24h, at least 10m"`
}

// Heartbeat is a dead-man switch: somebody else notices when it stops.
type Heartbeat struct {
	URL   secret.Ref        `yaml:"url" jsonschema_description:"what is asked for with GET, which is a secret: file:PATH or env:NAME of https://…"`
	Every quantity.Duration `yaml:"every,omitempty" jsonschema_description:"how often; default 5m, at least 1m"`
}

// Defaults and bounds of what is told.
const (
	defaultRemindAfter = quantity.Duration(24 * time.Hour)
	minRemindAfter     = quantity.Duration(10 * time.Minute)
	defaultHeartbeat   = quantity.Duration(5 * time.Minute)
	minHeartbeat       = quantity.Duration(time.Minute)
	maxHeartbeat       = quantity.Duration(24 * time.Hour)
)

func (d *decoder) validateNotifications(all []Notification) {
	named := map[string]bool{}
	for i := range all {
		n, at := &all[i], element("notifications", i)
		switch {
		case n.Name == "":
			d.problem(at, "a notification needs a name")
		case strings.ContainsAny(n.Name, "/=, \t\n"):
			d.problem(child(at, "name"), "it may not hold a blank, a slash, a comma or an equals sign")
		case named[n.Name]:
			d.problem(child(at, "name"), "another notification has the same name")
		}
		named[n.Name] = true
		d.validateHidden(at, n.URL, notify.Check)
		if _, given := d.lines[child(at, "on")]; given && len(n.On) == 0 {
			d.problem(child(at, "on"), "it names nothing; leave the key out for everything")
		}
		for j, event := range n.On {
			if !slices.Contains(notify.Events, event) {
				d.problem(element(child(at, "on"), j), "it is not one of %v", notify.Events)
			}
		}
		d.validateWord(child(at, "minSeverity"), n.MinSeverity, "warning", "critical")
		if _, given := d.lines[child(at, "remindAfter")]; !given {
			n.RemindAfter = defaultRemindAfter
		} else if n.RemindAfter < minRemindAfter {
			d.problem(child(at, "remindAfter"), "it is less than %s", minRemindAfter)
		}
	}
}

func (d *decoder) validateHeartbeat(h *Heartbeat) {
	if h == nil {
		return
	}
	d.validateHidden("heartbeat", h.URL, notify.CheckBeat)
	if _, given := d.lines["heartbeat.every"]; !given {
		h.Every = defaultHeartbeat
	} else if h.Every < minHeartbeat || h.Every > maxHeartbeat {
		d.problem("heartbeat.every", "it is not between %s and %s", minHeartbeat, maxHeartbeat)
	}
}

// validateHidden checks a URL that is a secret, where it can be read here: a file may be
// checked where its secrets are not.
func (d *decoder) validateHidden(at string, ref secret.Ref, check func(string) error) {
	key := child(at, "url")
	if ref.IsZero() {
		d.problem(at, "it needs a url")
		return
	}
	address, err := ref.Resolve()
	if err != nil {
		return
	}
	if err := check(address); err != nil {
		d.problem(key, "what it refers to is not right: %s", err)
	}
}
