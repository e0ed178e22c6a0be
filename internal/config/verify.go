package config

import (
	"slices"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/secret"
)

// Verify says how a drill is done: what it restores into, what it may use, and
// what is expected of the copy. Each key has a default; without the section
// nothing proves that a point can be restored.
type Verify struct {
	Scratch    string     `yaml:"scratch,omitempty" jsonschema:"enum=docker,enum=given" jsonschema_description:"what a drill restores into: docker (default), servers that it starts and removes, or given, servers that are there"`
	Given      string     `yaml:"given,omitempty" jsonschema_description:"with scratch given: name of an entry of targets. Its servers have to be empty, and are emptied again"`
	Identity   secret.Ref `yaml:"identity,omitempty" jsonschema_description:"the private key of the drill, which opens the points: file:PATH or env:NAME"`
	SigningKey secret.Ref `yaml:"signingKey,omitempty" jsonschema_description:"the key that signs proofs, whose role is drill: file:PATH or env:NAME; default that of the repository"`

	MySQLImage     string        `yaml:"mysqlImage,omitempty" jsonschema_description:"image of scratch servers for MySQL; default mysql with the major and minor version of the server in the point"`
	SeaweedFSImage string        `yaml:"seaweedfsImage,omitempty" jsonschema_description:"image of scratch servers for buckets; default a version of chrislusf/seaweedfs"`
	Memory         quantity.Size `yaml:"memory,omitempty" jsonschema_description:"most memory of each scratch server; default 2GiB, at least 1536MiB"`
	Disk           quantity.Size `yaml:"disk,omitempty" jsonschema_description:"most disk of each scratch server; default what is free, but for a reserve"`
	DataDirectory  string        `yaml:"dataDirectory,omitempty" jsonschema_description:"absolute path of a directory of the engine's host for the data of scratch servers; default the engine's own volumes"`

	TimeLimit  quantity.Duration `yaml:"timeLimit,omitempty" jsonschema_description:"longest time that a drill may take; default 12h"`
	Sample     quantity.Percent  `yaml:"sample,omitempty" jsonschema_description:"share of the objects of buckets that is restored, drawn by chance; default all. What is sampled proves nothing"`
	Assertions []Assertion       `yaml:"assertions,omitempty" jsonschema_description:"what is expected of the restored copy"`
	Tolerate   Tolerate          `yaml:"tolerate,omitempty" jsonschema_description:"how much may be wrong between database and bucket that was wrong before the backup"`
	References []Reference       `yaml:"references,omitempty" jsonschema_description:"which objects a database refers to; default what OpenIM keeps in its schema"`
}

// What a drill restores into.
const (
	ScratchDocker = "docker"
	ScratchGiven  = "given"
)

// Tolerate bounds what is known to be wrong in the sources themselves.
type Tolerate struct {
	Missing int64 `yaml:"missing,omitempty" jsonschema:"minimum=0" jsonschema_description:"objects that a database refers to and the bucket lacks; default 0"`
	Damaged int64 `yaml:"damaged,omitempty" jsonschema:"minimum=0" jsonschema_description:"objects of another size or content than a database or their own name says; default 0"`
}

// Reference leads from rows to objects.
type Reference struct {
	Source string `yaml:"source" jsonschema_description:"the database: a source of kind mysql"`
	Query  string `yaml:"query" jsonschema_description:"one SELECT whose columns are called key, size and, if it is known, hash; one row per object"`
	Bucket string `yaml:"bucket" jsonschema_description:"SOURCE/BUCKET: where the objects are"`
}

// Abilities of settings that a drill asks for.
type (
	// Queryable is a source that answers SQL.
	Queryable interface{ SpeaksSQL() bool }
	// BucketHolder is a source that has buckets.
	BucketHolder interface{ HoldsBucket(name string) bool }
)

// Bounds of a drill.
const (
	minScratchMemory = quantity.Size(1536 << 20)
	minScratchDisk   = quantity.Size(1 << 30)
	minTimeLimit     = quantity.Duration(time.Minute)
	maxTimeLimit     = quantity.Duration(7 * 24 * time.Hour)
)

// validateVerify leaves to the drill what only a server can tell.
func (d *decoder) validateVerify(c *Config) {
	v := c.Verify
	if v == nil {
		return
	}
	d.validateScratch(c)
	if _, given := d.lines["verify.memory"]; given && v.Memory < minScratchMemory {
		d.problem("verify.memory", "it is less than %s", minScratchMemory)
	}
	if _, given := d.lines["verify.disk"]; given && v.Disk < minScratchDisk {
		d.problem("verify.disk", "it is less than %s", minScratchDisk)
	}
	if v.DataDirectory != "" && !strings.HasPrefix(v.DataDirectory, "/") {
		d.problem("verify.dataDirectory", "it is no absolute path")
	}
	d.validateBetween("verify.timeLimit", v.TimeLimit, minTimeLimit, maxTimeLimit)
	if _, given := d.lines["verify.sample"]; given && v.Sample <= 0 {
		d.problem("verify.sample", "it is not more than nothing")
	}
	for key, n := range map[string]int64{"verify.tolerate.missing": v.Tolerate.Missing, "verify.tolerate.damaged": v.Tolerate.Damaged} {
		if n < 0 {
			d.problem(key, "it is less than nothing")
		}
	}
	for i, a := range v.Assertions {
		key := element("verify.assertions", i)
		if slices.ContainsFunc(v.Assertions[:i], func(other Assertion) bool { return other.Name == a.Name }) {
			d.problem(child(key, "name"), "another assertion has the same name")
		}
		d.validateAssertion(key, a, c)
	}
	d.validateReferences(c)
}

func (d *decoder) validateScratch(c *Config) {
	v := c.Verify
	if !slices.Contains([]string{"", ScratchDocker, ScratchGiven}, v.Scratch) {
		d.problem("verify.scratch", "it is neither %s nor %s", ScratchDocker, ScratchGiven)
	}
	if v.Scratch == ScratchGiven && v.Given == "" {
		d.problem("verify.scratch", "it needs the name of an entry of targets, in verify.given")
	}
	if _, known := c.Targets[v.Given]; v.Given != "" && !known {
		d.problem("verify.given", "targets has no entry of that name")
	}
}

// validateBetween checks a duration where it is given.
func (d *decoder) validateBetween(key string, value, least, most quantity.Duration) {
	if _, given := d.lines[key]; given && (value < least || value > most) {
		d.problem(key, "it is not between %s and %s", least, most)
	}
}

func (d *decoder) validateReferences(c *Config) {
	for i, r := range c.Verify.References {
		key := element("verify.references", i)
		d.validateDatabase(child(key, "source"), r.Source, c)
		if r.Query == "" {
			d.problem(child(key, "query"), "it is required")
		}
		if name, bucket, ok := strings.Cut(r.Bucket, "/"); !ok || !holdsBucket(c, name, bucket) {
			d.problem(child(key, "bucket"), "it is not SOURCE/BUCKET of a source and one of its buckets")
		}
	}
	if _, given := d.lines["verify.references"]; given && len(c.Verify.References) == 0 {
		d.problem("verify.references", "an empty list compares nothing; leave it out for the default")
	}
}

func holdsBucket(c *Config, source, bucket string) bool {
	s, _ := c.SourceNamed(source)
	holder, ok := s.Settings.(BucketHolder)
	return ok && holder.HoldsBucket(bucket)
}

// validateDatabase checks the name of a source that answers SQL.
func (d *decoder) validateDatabase(key, name string, c *Config) {
	s, known := c.SourceNamed(name)
	database, ok := s.Settings.(Queryable)
	switch {
	case name == "":
		d.problem(key, "it is required")
	case !known:
		d.problem(key, "there is no source of that name")
	case !ok || !database.SpeaksSQL():
		d.problem(key, "the source of that name answers no SQL")
	}
}
