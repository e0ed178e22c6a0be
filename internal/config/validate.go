package config

import (
	"fmt"
	"slices"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// Bounds of what can be meant.
const (
	maxWorkers     = 256
	minMemory      = quantity.Size(32 << 20)
	minLeaseLength = quantity.Duration(time.Second)
	maxLeaseLength = quantity.Duration(time.Hour)
)

// validate reports what decodes and cannot be meant.
func (d *decoder) validate(c *Config) {
	if c.Instance == "" {
		d.problem("instance", "it is required")
	}
	d.validateRepository(&c.Repository)
	d.validateSources("sources", c.Sources)
	d.validateTargets(c)
	d.validateQuiesce(c)
	d.validateCaches(c.Caches)
	d.validateObjectives(c.Objectives)
	d.validateVerify(c)
	d.validateCopies(c.Copies, c.Repository.URL)
	d.validateRetention("retention", c.Retention)
	d.validateSchedules(c)
	d.validateDaemon(c.Daemon)
	d.validatePrices(c)
	d.validateHooks(c.Hooks)
	d.validateNotifications(c.Notifications)
	d.validateHeartbeat(c.Heartbeat)
	if _, given := d.lines["limits.workers"]; given && (c.Limits.Workers < 1 || c.Limits.Workers > maxWorkers) {
		d.problem("limits.workers", "it is not between 1 and %d", maxWorkers)
	}
	if _, given := d.lines["limits.memory"]; given && c.Limits.Memory < minMemory {
		d.problem("limits.memory", "it is less than %s", minMemory)
	}
}

func (d *decoder) validateRepository(r *Repository) {
	required := []struct {
		key     string
		missing bool
	}{
		{"url", r.URL == ""},
		{"recipients", len(r.Recipients) == 0},
		{"catalogIdentity", r.CatalogIdentity.IsZero()},
		{"signingKey", r.SigningKey.IsZero()},
		{"trustedSigners", len(r.TrustedSigners) == 0},
	}
	for _, f := range required {
		if f.missing {
			d.problem("repository."+f.key, "it is required")
		}
	}
	d.validateLocation("repository.url", r.URL)
	if _, given := d.lines["repository.leaseLength"]; given && (r.LeaseLength < minLeaseLength || r.LeaseLength > maxLeaseLength) {
		d.problem("repository.leaseLength", "it is not between %s and %s", minLeaseLength, maxLeaseLength)
	}
	d.validateRecipients(r)
	d.validateSigners(r.TrustedSigners)
}

// validateLocation reads a place by the parser that opens it.
func (d *decoder) validateLocation(key, text string) {
	_, err := storage.ParseLocation(text)
	if e, wrong := fault.Outermost(err); wrong {
		d.problem(key, "%s: %s", e.Reason(), e.Try)
	}
}

// validateRecipients refuses two classes, which age does not mix in one file.
func (d *decoder) validateRecipients(r *Repository) {
	seen := map[string]bool{}
	for i, recipient := range r.Recipients {
		key := element("repository.recipients", i)
		if seen[recipient.String()] {
			d.problem(key, "the key is listed already")
		}
		seen[recipient.String()] = true
		if recipient.PostQuantum() != r.Recipients[0].PostQuantum() {
			d.problem(key, "some recipients are post-quantum and some are not, and age does not mix them")
		}
	}
	if r.DrillRecipient == nil || len(r.Recipients) == 0 {
		return
	}
	if r.DrillRecipient.PostQuantum() != r.Recipients[0].PostQuantum() {
		d.problem("repository.drillRecipient", "it is not of the recipients' class (post-quantum or not), and age does not mix them")
	}
	if seen[r.DrillRecipient.String()] {
		d.problem("repository.drillRecipient", "it is an operator's key; a drill has one of its own, which opens the newest points only")
	}
}

func (d *decoder) validateSigners(signers []TrustedSigner) {
	for i, s := range signers {
		key := element("repository.trustedSigners", i)
		if s.Key == "" {
			d.problem(key, "it needs a key")
		}
		if len(s.Roles) == 0 {
			d.problem(key, "it needs roles: of %v", seal.Roles)
		}
		for j, role := range s.Roles {
			if !slices.Contains(seal.Roles, role) {
				d.problem(element(child(key, "roles"), j), "it is not one of %v", seal.Roles)
			}
		}
		if !s.NotAfter.IsZero() && s.NotAfter.Before(s.NotBefore) {
			d.problem(child(key, "notAfter"), "it is before notBefore")
		}
	}
}

// validateTargets lets a target stand in for a source of its own kind only.
func (d *decoder) validateTargets(c *Config) {
	node, ok := d.nodes["targets"]
	if !ok {
		return
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := child("targets", fmt.Sprintf("(entry in line %d)", node.Content[i].Line))
		list := c.Targets[node.Content[i].Value]
		d.validateSources(key, list)
		for j, target := range list {
			if s, ok := c.SourceNamed(target.Name); ok && s.Kind != target.Kind {
				d.problem(child(element(key, j), "kind"), "the source of that name is of another kind")
			}
		}
	}
}
