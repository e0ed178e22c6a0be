package storage

import (
	"net/url"
	"strings"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// Scheme says which driver keeps a location.
type Scheme string

// The schemes of locations.
const (
	Directory Scheme = "file"
	GCS       Scheme = "gs"
	S3        Scheme = "s3"
)

// Location is where a repository is kept, as an operator writes it, taken apart.
type Location struct {
	Scheme Scheme
	Path   string // of a directory
	Bucket string
	Prefix string
	// What the URL says of an S3 service. Empty: it says nothing of it.
	Endpoint, Region string
	VirtualHost      bool
}

// ParseLocation reads gs://BUCKET/PREFIX, s3://BUCKET/PREFIX?PARAMETERS, or the path
// of a directory. It connects to nothing, and its errors quote nothing: somebody may
// have written a secret into the URL (invariant 4).
func ParseLocation(text string) (Location, error) {
	scheme, rest, hasScheme := strings.Cut(text, "://")
	if !hasScheme {
		return Location{Scheme: Directory, Path: text}, nil
	}
	if host, _, _ := strings.Cut(rest, "/"); strings.Contains(host, "@") {
		return Location{}, notALocation("it holds a user or password; credentials come from the environment", "leave them out")
	}
	l := Location{Scheme: Scheme(scheme)}
	switch l.Scheme {
	case Directory:
		l.Path = rest
		return l, nil
	case GCS:
		l.Bucket, l.Prefix, _ = strings.Cut(rest, "/")
	case S3:
		place, query, _ := strings.Cut(rest, "?")
		l.Bucket, l.Prefix, _ = strings.Cut(place, "/")
		if err := l.parameters(query); err != nil {
			return Location{}, err
		}
	default:
		return Location{}, notALocation("this version of openim-dr knows no storage of that scheme", "gs://BUCKET/PREFIX, s3://BUCKET/PREFIX or a directory")
	}
	if l.Bucket == "" {
		return Location{}, notALocation("the URL names no bucket", scheme+"://BUCKET/PREFIX")
	}
	return l, nil
}

// parameters reads what follows the question mark of an S3 URL.
func (l *Location) parameters(query string) error {
	const form = "s3://BUCKET/PREFIX?endpoint=https://HOST:PORT&region=NAME&pathStyle=false"
	values, err := url.ParseQuery(query)
	if err != nil {
		return notALocation("what follows the question mark of the URL is not understood", form)
	}
	for name, given := range values {
		value := given[len(given)-1]
		switch {
		case len(given) > 1:
			return notALocation("the URL sets a parameter twice", form)
		case name == "endpoint":
			if err := CheckEndpoint(value); err != nil {
				return err
			}
			l.Endpoint = value
		case name == "region" && value != "":
			l.Region = value
		case name == "pathStyle" && (value == "true" || value == "false"):
			l.VirtualHost = value == "false"
		default:
			return notALocation("the URL may set endpoint, region and pathStyle (true or false), and nothing else", form)
		}
	}
	return nil
}

// CheckEndpoint refuses what is not the URL of an S3 service.
func CheckEndpoint(text string) error {
	e, err := url.Parse(text)
	if err != nil || e.User != nil || e.Host == "" || e.Scheme != "http" && e.Scheme != "https" {
		return notALocation("the endpoint is no URL such as https://HOST:PORT, without a user or password", "endpoint=https://HOST:PORT")
	}
	return nil
}

func notALocation(why, try string) error {
	return fault.New(fault.Usage, "open storage", "%s", why).Hint("%s", try)
}
