package main

import (
	"fmt"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/notify"
	"github.com/openim-dr/openim-dr/internal/secret"
	"github.com/openim-dr/openim-dr/internal/source"
)

// examineNotifications looks whether notifications and the heartbeat could be sent, and
// sends none.
func examineNotifications(c *config.Config) []source.Finding {
	const check = "notifications.ready"
	var findings []source.Finding
	look := func(key string, ref secret.Ref, right func(string) error) {
		address, err := ref.Resolve()
		if err == nil {
			err = right(address)
		}
		if err != nil {
			findings = append(findings, source.Finding{
				Check: check, Severity: source.Error, Evidence: fmt.Sprintf("%s, %s: %s", key, ref, err),
				Remedy: "set it where the daemon runs; docs/NOTIFICATIONS.md shows what URLs look like",
			})
		}
	}
	for i, n := range c.Notifications {
		look(fmt.Sprintf("notifications[%d].url", i), n.URL, notify.Check)
	}
	if c.Heartbeat != nil {
		look("heartbeat.url", c.Heartbeat.URL, notify.CheckBeat)
	}
	switch {
	case len(findings) > 0:
	case len(c.Notifications) > 0:
		findings = append(findings, fine(check, plural(int64(len(c.Notifications)), "notification")+" could be sent; none was: openim-dr notify --test"))
	case len(c.Schedules) > 0:
		findings = append(findings, source.Finding{
			Check: check, Severity: source.Info, Evidence: "there are schedules and no notifications", Remedy: "say under notifications whom openim-dr run tells what is wrong",
		})
	}
	return findings
}
