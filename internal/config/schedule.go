package config

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/timetable"
)

// Schedule is something that openim-dr run does again and again. It says one of what
// is to be done: sources, verify, prune, copy and check.
type Schedule struct {
	Name string              `yaml:"name" jsonschema_description:"what logs and metrics call it; points that it takes are of a stream of that name"`
	Cron timetable.Timetable `yaml:"cron" jsonschema_description:"when: five fields of cron, after CRON_TZ=ZONE where they are not UTC"`

	Sources []string `yaml:"sources,omitempty" jsonschema_description:"take a point of these sources"`
	Verify  string   `yaml:"verify,omitempty" jsonschema:"enum=latest,enum=unproven,enum=rotation" jsonschema_description:"drill a restore: latest (of each source the newest state), unproven (the newest point without a proof) or rotation (the monthly point whose turn it is)"`
	Prune   bool     `yaml:"prune,omitempty" jsonschema_description:"forget and sweep as retention says"`
	Copy    string   `yaml:"copy,omitempty" jsonschema_description:"copy new points to the copy of that name"`
	Check   string   `yaml:"check,omitempty" jsonschema:"pattern=^(listing|all|1/[0-9]+)$" jsonschema_description:"check the repository: by a listing alone (listing), reading all files (all), or a part of them that changes daily (1/30)"`

	CatchUp  string            `yaml:"catchUp,omitempty" jsonschema:"enum=once,enum=none" jsonschema_description:"what to do where it was due while no daemon was there: once (default) or none"`
	Overrun  string            `yaml:"overrun,omitempty" jsonschema:"enum=skip,enum=queue" jsonschema_description:"what to do where it is due while it is still going on: skip (default) or queue, which runs it once more right after"`
	Jitter   quantity.Duration `yaml:"jitter,omitempty" jsonschema_description:"how much later it may begin, by chance; default 0s, at most 1h"`
	RetryFor quantity.Duration `yaml:"retryFor,omitempty" jsonschema_description:"for how long a run that failed is tried again, though not once the next one is due; default 1h"`
}

// DefaultRetryFor is for how long a run that failed is tried again.
const DefaultRetryFor = quantity.Duration(time.Hour)

// checkForm is what the command line takes for --read-data, and the word for no data.
var checkForm = regexp.MustCompile(`^(listing|all|1/([1-9]|[1-9][0-9]|[12][0-9][0-9]|3[0-5][0-9]|36[0-6]))$`)

const maxJitter = quantity.Duration(time.Hour)

func (d *decoder) validateSchedules(c *Config) {
	named := map[string]bool{}
	for i := range c.Schedules {
		s, at := &c.Schedules[i], element("schedules", i)
		switch {
		case s.Name == "":
			d.problem(at, "a schedule needs a name")
		case strings.ContainsAny(s.Name, "/=, \t\n"):
			d.problem(child(at, "name"), "it may not hold a blank, a slash, a comma or an equals sign")
		case s.Name == "manual" || s.Name == "rollback":
			d.problem(child(at, "name"), "points of that stream are taken by others: choose another name")
		case named[s.Name]:
			d.problem(child(at, "name"), "another schedule has the same name")
		}
		named[s.Name] = true
		if _, given := d.lines[child(at, "cron")]; !given {
			d.problem(at, "a schedule needs a cron expression")
		}
		d.validateTask(at, c, s)
		d.validateWord(child(at, "catchUp"), s.CatchUp, "once", "none")
		d.validateWord(child(at, "overrun"), s.Overrun, "skip", "queue")
		if s.Jitter > maxJitter {
			d.problem(child(at, "jitter"), "it is more than %s", maxJitter)
		}
		if _, given := d.lines[child(at, "retryFor")]; !given {
			s.RetryFor = DefaultRetryFor
		}
	}
}

// validateTask wants one thing to be done, which the rest of the file provides for.
func (d *decoder) validateTask(at string, c *Config, s *Schedule) {
	tasks := 0
	for _, key := range []string{"sources", "verify", "prune", "copy", "check"} {
		if _, given := d.lines[child(at, key)]; given {
			tasks++
		}
	}
	if tasks != 1 {
		d.problem(at, "it needs one of sources, verify, prune, copy and check, and has %d", tasks)
	}
	if _, given := d.lines[child(at, "sources")]; given && len(s.Sources) == 0 {
		d.problem(child(at, "sources"), "it names none")
	}
	for i, name := range s.Sources {
		if _, ok := c.SourceNamed(name); !ok {
			d.problem(element(child(at, "sources"), i), "there is no source of that name")
		} else if slices.Index(s.Sources, name) != i {
			d.problem(element(child(at, "sources"), i), "it is named already")
		}
	}
	d.validateWord(child(at, "verify"), s.Verify, "latest", "unproven", "rotation")
	if s.Verify != "" && (c.Verify == nil || c.Verify.Identity.IsZero()) {
		d.problem(child(at, "verify"), "a drill needs a private key: verify.identity")
	}
	if _, given := d.lines[child(at, "prune")]; given && !s.Prune {
		d.problem(child(at, "prune"), "leave the schedule out where nothing is to be pruned")
	}
	if s.Prune && c.Retention == nil {
		d.problem(child(at, "prune"), "it needs retention, which says what is kept")
	}
	if s.Copy != "" && !slices.ContainsFunc(c.Copies, func(to Copy) bool { return to.Name == s.Copy }) {
		d.problem(child(at, "copy"), "there is no copy of that name")
	}
	if s.Check != "" && !checkForm.MatchString(s.Check) {
		d.problem(child(at, "check"), "it is not listing, all, or a part such as 1/30, of 366 at most")
	}
}

func (d *decoder) validateWord(key, given string, words ...string) {
	if _, ok := d.lines[key]; ok && !slices.Contains(words, given) {
		d.problem(key, "it is not one of %s", strings.Join(words, ", "))
	}
}
