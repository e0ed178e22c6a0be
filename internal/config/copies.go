package config

import (
	"github.com/openim-dr/openim-dr/internal/quantity"
)

// Copy is a place that holds points of the repository, too.
type Copy struct {
	Name         string            `yaml:"name" jsonschema_description:"what --to, --from and --repository call it"`
	URL          string            `yaml:"url" jsonschema_description:"gs://BUCKET/PREFIX, s3://BUCKET/PREFIX or a directory"`
	StorageClass string            `yaml:"storageClass,omitempty" jsonschema_description:"name in prices.perMonth of what a GiB costs there"`
	Place        string            `yaml:"place,omitempty" jsonschema_description:"where it is, for status: what is in the same place is lost together"`
	MaxBehind    quantity.Duration `yaml:"maxBehind,omitempty" jsonschema_description:"how far its newest point may be behind that of the repository before status warns: 2d; without it any distance is fine"`
	Retention    *Retention        `yaml:"retention,omitempty" jsonschema_description:"which points prune --repository NAME keeps there; default the retention of the repository"`
}

func (d *decoder) validateCopies(copies []Copy, home string) {
	named := map[string]bool{}
	for i, c := range copies {
		at := element("copies", i)
		switch {
		case c.Name == "":
			d.problem(at, "a copy needs a name")
		case c.Name == "home" || c.Name == "any":
			d.problem(child(at, "name"), "--from means something else by that: choose another name")
		case named[c.Name]:
			d.problem(child(at, "name"), "another copy has the same name")
		}
		named[c.Name] = true
		switch {
		case c.URL == "":
			d.problem(at, "a copy needs a url")
		case c.URL == home:
			d.problem(child(at, "url"), "it is the repository itself")
		default:
			d.validateLocation(child(at, "url"), c.URL)
		}
		d.validateRetention(child(at, "retention"), c.Retention)
	}
}
