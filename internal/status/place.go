package status

import (
	"cmp"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/repository"
)

// Home is what the repository itself is called among its copies.
const Home = "repository"

// production is the kind and the place of the data that are backed up.
const production = "production"

// Place is one place that holds points, and what was found there.
type Place struct {
	Name, URL, Class, Where string
	MaxBehind               time.Duration

	Err        error // why it could not be read
	Listing    *repository.Listing
	Runs       map[string]*repository.ScheduleRun // by schedule, the last ones; of the repository alone
	Stored     *Stored                            // nil where it was not counted
	NotCounted error                              // why not
}

// Stored is what one place holds.
type Stored struct {
	Files, Bytes int64
	At           time.Time // when it was counted
}

// Places are the repository, or what stands in for it, and the other copies.
func Places(c *config.Config, at string) []Place {
	places := []Place{{Name: Home, URL: c.Repository.URL, Class: c.Repository.StorageClass, Where: c.Repository.Place}}
	for _, one := range c.Copies {
		places = append(places, Place{Name: one.Name, URL: one.URL, Class: one.StorageClass, Where: one.Place, MaxBehind: one.MaxBehind.Duration()})
	}
	here := slices.IndexFunc(places, func(p Place) bool { return p.URL == at })
	if here < 0 {
		return append([]Place{{Name: at, URL: at}}, places...)
	}
	first := places[here]
	return append([]Place{first}, slices.Delete(places, here, here+1)...)
}

// kindAndPlace is what a URL tells of where something is stored. What it does not
// tell is taken to be in one place.
func kindAndPlace(at string) (kind, where string) {
	scheme, rest, hasScheme := strings.Cut(at, "://")
	switch {
	case hasScheme && scheme == "gs":
		return "gcs", "Google Cloud"
	case hasScheme && scheme == "s3":
		return "s3", placeOfS3(rest)
	default:
		return "directory", production
	}
}

// placeOfS3 is a region of a service.
func placeOfS3(rest string) string {
	_, query, _ := strings.Cut(rest, "?")
	given, err := url.ParseQuery(query)
	if err != nil {
		given = url.Values{} // opening it says what is wrong
	}
	region := cmp.Or(given.Get("region"), os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), "us-east-1")
	service := "Amazon"
	endpoint := cmp.Or(given.Get("endpoint"), os.Getenv("AWS_ENDPOINT_URL_S3"), os.Getenv("AWS_ENDPOINT_URL"))
	if e, err := url.Parse(endpoint); err == nil && e.Host != "" {
		service = e.Host
	}
	return region + " at " + service
}
