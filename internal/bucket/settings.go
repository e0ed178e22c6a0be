package bucket

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/secret"
)

// Settings configure the buckets of one S3 endpoint as a source.
type Settings struct {
	Endpoint  string     `yaml:"endpoint" json:"endpoint" jsonschema_description:"URL of the S3 server: https://seaweedfs-s3:8333"`
	Region    string     `yaml:"region,omitempty" json:"region,omitempty" jsonschema_description:"region to sign requests for; default us-east-1"`
	AccessKey secret.Ref `yaml:"accessKey,omitempty" json:"accessKey,omitempty" jsonschema_description:"env:NAME or file:PATH; without both keys requests are not signed"`
	SecretKey secret.Ref `yaml:"secretKey,omitempty" json:"secretKey,omitempty" jsonschema_description:"env:NAME or file:PATH"`
	// SessionToken goes with keys that somebody renews in their files.
	SessionToken secret.Ref `yaml:"sessionToken,omitempty" json:"sessionToken,omitempty" jsonschema_description:"env:NAME or file:PATH; token that goes with temporary keys"`
	PathStyle    *bool      `yaml:"pathStyle,omitempty" json:"pathStyle,omitempty" jsonschema_description:"the bucket stands in the path, not in the host name; default true"`
	CA           string     `yaml:"ca,omitempty" json:"ca,omitempty" jsonschema_description:"path of a PEM file with the authorities that may sign the server's certificate; without it the system's"`
	Buckets      []string   `yaml:"buckets" json:"buckets" jsonschema_description:"names of the buckets"`
	// Unreadable and Recheck are about objects whose content is lost, which a
	// listing does not tell.
	Unreadable string `yaml:"unreadable,omitempty" json:"unreadable,omitempty" jsonschema:"enum=fail,enum=incomplete" jsonschema_description:"what a run does about an object that is listed and cannot be read: fail, the default, or incomplete: go on without it, with the copy of the point before where there is one, and mark the point incomplete"`
	Versions   string `yaml:"versions,omitempty" json:"versions,omitempty" jsonschema:"enum=current,enum=all" jsonschema_description:"what is captured of buckets with versions: current, the default, or all: the older versions and delete markers too"`
	Recheck    int    `yaml:"recheck,omitempty" json:"recheck,omitempty" jsonschema_description:"in how many days every unchanged object is read again, a share of them with each day's runs; 0, the default, trusts size, ETag and modification time"`

	MaxShrink *quantity.Percent `yaml:"maxShrink,omitempty" json:"maxShrink,omitempty" jsonschema_description:"share of objects or bytes that a bucket may lose between two points before a run is refused; default 20%"`
}

// What a run does about an object that cannot be read.
const (
	failsUnreadable     = "fail"
	toleratesUnreadable = "incomplete"
)

// What is captured of buckets with versions.
const (
	currentVersions = "current"
	allVersions     = "all"
)

// effective returns the settings with the defaults filled in.
func (s *Settings) effective() Settings {
	e := *s
	if e.Region == "" {
		e.Region = "us-east-1"
	}
	if e.PathStyle == nil {
		yes := true
		e.PathStyle = &yes
	}
	if e.MaxShrink == nil {
		share := quantity.Percent(20)
		e.MaxShrink = &share
	}
	return e
}

// HoldsBucket reports whether the source captures a bucket.
func (s *Settings) HoldsBucket(name string) bool { return slices.Contains(s.Buckets, name) }

// Validate reports the first setting that cannot be meant.
func (s *Settings) Validate() error {
	// The URL is not quoted: somebody may have written a password into it.
	u, err := url.Parse(s.Endpoint)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return invalid("endpoint: it is a URL such as https://seaweedfs-s3:8333")
	case u.User != nil:
		return invalid("endpoint: a URL with a user or password in it; keys go to accessKey and secretKey")
	case u.Path != "" && u.Path != "/" || u.RawQuery != "":
		return invalid("endpoint: it is only scheme, host and port; buckets are named in buckets")
	case s.AccessKey.IsZero() != s.SecretKey.IsZero():
		return invalid("accessKey and secretKey: either both or neither")
	case s.AccessKey.IsZero() && !s.SessionToken.IsZero():
		return invalid("sessionToken: it goes with an accessKey and a secretKey")
	case len(s.Buckets) == 0:
		return invalid("buckets: name at least one")
	}
	switch s.Unreadable {
	case "", failsUnreadable, toleratesUnreadable:
	default:
		return invalid("unreadable: it is %s or %s", failsUnreadable, toleratesUnreadable)
	}
	switch s.Versions {
	case "", currentVersions, allVersions:
	default:
		return invalid("versions: it is %s or %s", currentVersions, allVersions)
	}
	if s.Recheck < 0 {
		return invalid("recheck: it is a number of days")
	}
	for i, name := range s.Buckets {
		if name == "" || strings.ContainsAny(name, "/*? ") {
			return invalid("buckets: %q is not a bucket's name", name)
		}
		if slices.Contains(s.Buckets[:i], name) {
			return invalid("buckets: %q is named twice", name)
		}
	}
	return nil
}

func invalid(format string, args ...any) error {
	return fault.New(fault.Usage, "read settings of buckets source", "%w", fmt.Errorf(format, args...))
}
