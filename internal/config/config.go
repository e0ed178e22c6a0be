// Package config reads the configuration: one YAML file, strict, in which an
// unknown key is an error with its line.
//
// It is plain data. The command translates it for the packages that do the
// work, and none of them imports this one. Secrets are named, never held.
// Problems name the line and the key, and never quote the file's text: what
// stands in a wrong place may be a secret (invariant 4).
package config

import (
	"os"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/hook"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/secret"
)

// Config is the whole file.
type Config struct {
	Instance   string              `yaml:"instance" jsonschema_description:"name of this deployment; points say whose they are"`
	Repository Repository          `yaml:"repository" jsonschema_description:"where recovery points are kept, and the keys around them"`
	Sources    []Source            `yaml:"sources" jsonschema_description:"what is backed up"`
	Targets    map[string][]Source `yaml:"targets,omitempty" jsonschema_description:"where a restore may go instead of the sources: lists of the same shape, with the sources' names"`
	Quiesce    *Quiesce            `yaml:"quiesce,omitempty" jsonschema_description:"what restore --quiesce stops"`
	Caches     []Cache             `yaml:"caches,omitempty" jsonschema_description:"where restore --purge-caches deletes what is stale"`
	Limits     Limits              `yaml:"limits,omitempty" jsonschema_description:"what a run may use"`
	Objectives Objectives          `yaml:"objectives,omitempty" jsonschema_description:"what was promised; reports compare what was measured with it"`
	Verify     *Verify             `yaml:"verify,omitempty" jsonschema_description:"how openim-dr verify restores points into scratch servers, and what it expects of them"`
	Copies     []Copy              `yaml:"copies,omitempty" jsonschema_description:"other places that hold the points too"`
	Schedules  []Schedule          `yaml:"schedules,omitempty" jsonschema_description:"what openim-dr run does, and when"`
	Daemon     *Daemon             `yaml:"daemon,omitempty" jsonschema_description:"how openim-dr run works"`
	Retention  *Retention          `yaml:"retention,omitempty" jsonschema_description:"which points openim-dr prune keeps; without it nothing is ever forgotten"`
	Prices     *Prices             `yaml:"prices,omitempty" jsonschema_description:"what keeping costs; without it nothing is estimated"`
	Hooks      []Hook              `yaml:"hooks,omitempty" jsonschema_description:"commands and HTTP requests before and after a run"`

	Notifications []Notification `yaml:"notifications,omitempty" jsonschema_description:"whom openim-dr run tells what is wrong, and that it is over"`
	Heartbeat     *Heartbeat     `yaml:"heartbeat,omitempty" jsonschema_description:"a URL that openim-dr run asks for while all is well, so that somebody notices when it stops"`
}

// Repository says where points live and who may open and vouch for them.
type Repository struct {
	URL             string            `yaml:"url" jsonschema_description:"gs://BUCKET/PREFIX, s3://BUCKET/PREFIX?endpoint=URL&region=NAME&pathStyle=false, or a directory; keys come from the environment"`
	StorageClass    string            `yaml:"storageClass,omitempty" jsonschema_description:"name in prices.perMonth of what a GiB costs there"`
	Place           string            `yaml:"place,omitempty" jsonschema_description:"where it is, for status: what is in the same place is lost together"`
	Recipients      []Recipient       `yaml:"recipients" jsonschema_description:"operators' public age keys, all X25519 or all post-quantum; each of their private halves opens every point"`
	DrillRecipient  *Recipient        `yaml:"drillRecipient,omitempty" jsonschema_description:"public age key of restore tests"`
	CatalogIdentity secret.Ref        `yaml:"catalogIdentity" jsonschema_description:"the catalog key, which opens the object index and nothing else: file:PATH or env:NAME"`
	SigningKey      secret.Ref        `yaml:"signingKey" jsonschema_description:"the key that signs points: file:PATH or env:NAME"`
	TrustedSigners  []TrustedSigner   `yaml:"trustedSigners" jsonschema_description:"whose signatures count, and for what"`
	LeaseLength     quantity.Duration `yaml:"leaseLength,omitempty" jsonschema_description:"how long a run that gives no sign of life keeps others out; default 60s"`
	ObjectHolds     bool              `yaml:"objectHolds,omitempty" jsonschema_description:"whether hold also holds the files of the point in the storage, so that nobody can delete them there; default false"`
}

// TrustedSigner is a public key with what its holder may vouch for.
type TrustedSigner struct {
	Key       PublicKey   `yaml:"key" jsonschema_description:"minisign public key"`
	Roles     []seal.Role `yaml:"roles" jsonschema_description:"writer (points), pruner (deletions), drill (proofs), operator (the repository itself)"`
	NotBefore time.Time   `yaml:"notBefore,omitempty" jsonschema_description:"signatures for earlier files do not count"`
	NotAfter  time.Time   `yaml:"notAfter,omitempty" jsonschema_description:"signatures for later files do not count"`
}

// Limits bound what a run uses. Zero leaves the choice to the program.
type Limits struct {
	Workers int           `yaml:"workers,omitempty" jsonschema:"minimum=1,maximum=256" jsonschema_description:"connections at once to each source; default 4 for MySQL and 8 for buckets"`
	Memory  quantity.Size `yaml:"memory,omitempty" jsonschema_description:"bytes of bucket objects in flight; default 64MiB, at least 32MiB"`
	// Bandwidth and Requests are shared by all connections to one source.
	Bandwidth quantity.Rate      `yaml:"bandwidth,omitempty" jsonschema_description:"bytes per second of bucket objects, from and to each server: 50MiB/s; without it no limit"`
	Requests  quantity.Frequency `yaml:"requests,omitempty" jsonschema_description:"requests per second to each S3 server: 200/s; without it no limit"`
}

// Objectives are what was promised about a recovery. Zero promises nothing.
type Objectives struct {
	RPO quantity.Duration `yaml:"rpo,omitempty" jsonschema_description:"how old the newest restorable state may be: 1h"`
	RTO quantity.Duration `yaml:"rto,omitempty" jsonschema_description:"how long a restore may take, from the word to the last comparison: 30m"`
	// Proof bounds the age of the last drill that has shown a source to come back.
	Proof quantity.Duration `yaml:"proof,omitempty" jsonschema_description:"how long ago a drill may have shown that a source comes back: 35d"`
}

// Hook is a command or an HTTP request before or after a run.
type Hook struct {
	On      hook.Event            `yaml:"on" jsonschema_description:"before (it may forbid the run), success or failure"`
	For     []hook.Verb           `yaml:"for,omitempty" jsonschema_description:"of which verbs; without it of all that call hooks"`
	Command []string              `yaml:"command,omitempty" jsonschema_description:"a program and its arguments; no shell reads them"`
	URL     hook.Address          `yaml:"url,omitempty" jsonschema_description:"where a JSON document is sent with POST: https://…, or env:NAME or file:PATH of a URL that is a secret"`
	Headers map[string]secret.Ref `yaml:"headers,omitempty" jsonschema_description:"of the request, by name: file:PATH or env:NAME"`
	Timeout quantity.Duration     `yaml:"timeout,omitempty" jsonschema_description:"longest time that it may take; default 1m, at most 1h"`
}

// Settings are what a kind of source is configured with. Its yaml tags name
// the keys beside name and kind.
type Settings interface {
	// Validate reports what cannot be meant, as "key: reason".
	Validate() error
}

// Kinds makes the settings of each kind of source. Every call of a function
// returns a new pointer to a struct.
type Kinds map[string]func() Settings

// Source is one source, or one target.
type Source struct {
	Name     string
	Kind     string
	Settings Settings
}

// SourceNamed returns the source of that name.
func (c *Config) SourceNamed(name string) (Source, bool) {
	for _, s := range c.Sources {
		if s.Name == name {
			return s, true
		}
	}
	return Source{}, false
}

// Load reads and validates a configuration file.
func Load(path string, kinds Kinds) (*Config, error) {
	data, err := readFile("read configuration", path)
	if err != nil {
		return nil, err
	}
	c, err := Parse(data, kinds)
	if err != nil {
		return nil, invalid("read configuration", path, err)
	}
	return c, nil
}

// Parse reads and validates a configuration. Its errors are Problems.
func Parse(data []byte, kinds Kinds) (*Config, error) {
	c := new(Config)
	d := newDecoder(kinds)
	d.document(data, c)
	if len(d.problems) == 0 {
		d.validate(c)
	}
	return c, d.problems.sorted()
}

// LoadSources reads a file that holds nothing but a list of sources: a target
// of a restore on a machine without a configuration.
func LoadSources(path string, kinds Kinds) ([]Source, error) {
	data, err := readFile("read target", path)
	if err != nil {
		return nil, err
	}
	var sources []Source
	d := newDecoder(kinds)
	d.document(data, &sources)
	if len(d.problems) == 0 {
		d.validateSources("", sources)
	}
	if err := d.problems.sorted(); err != nil {
		return nil, invalid("read target", path, err)
	}
	return sources, nil
}

func readFile(doing, path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.New(fault.Usage, doing, "%w", err).Hint("`openim-dr config example` prints a commented file to start from")
	}
	return data, nil
}

func invalid(doing, path string, err error) error {
	return fault.New(fault.Usage, doing, "%w", err).On(path).Hint("`openim-dr config example` shows every key; `openim-dr config check` lists all problems")
}

// document decodes the one document of a file.
func (d *decoder) document(data []byte, into any) {
	var node yaml.Node
	if err := yaml.Load(data, &node); err != nil {
		d.problems = append(d.problems, syntaxProblem(err))
		return
	}
	if node.Kind != yaml.DocumentNode || len(node.Content) != 1 {
		d.problems = append(d.problems, Problem{Line: 1, Text: "the file holds no YAML document"})
		return
	}
	d.decode(node.Content[0], "", into)
}
