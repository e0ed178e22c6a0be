package openim

import "strings"

// valuesOfChart begins the keys under which a cluster shows the values that were given
// to a Helm release; the name of its chart follows.
const valuesOfChart = "values.yaml of chart "

// isOwnChart reports whether values are those of a chart of OpenIM. Sections such as
// redis are in those of anybody.
func isOwnChart(key string) bool {
	chart, ok := strings.CutPrefix(key, valuesOfChart)
	return ok && strings.Contains(strings.ToLower(chart), "openim")
}

// chartStores are the sections of values that say where a store is. Charts name what is
// in such a section differently.
var chartStores = []struct {
	section string
	store   store
}{
	{"mongo", mongoDB}, {"mongodb", mongoDB}, {"externalMongodb", mongoDB},
	{"mysql", mySQL}, {"externalMysql", mySQL}, {"externalDatabase", mySQL},
	{"redis", redis}, {"dragonfly", redis}, {"externalRedis", redis},
	{"kafka", kafka}, {"redpanda", kafka}, {"externalKafka", kafka},
}

// addressNames are how charts call where a server is.
var addressNames = []string{"uri", "url", "address", "addresses", "host", "hosts", "brokers", "endpoint"}

// chartValues reads where stores are from the values of a release, at the top or below
// whatever section holds OpenIM's own configuration.
func chartValues(settings map[string]any) []use {
	var uses []use
	for _, at := range []string{"", "config", "openim", "global"} {
		below := settings
		prefix := ""
		if at != "" {
			below, prefix = section(settings, at), at+"."
		}
		for _, c := range chartStores {
			uses = append(uses, chartStore(c.store, prefix+c.section+".", section(below, c.section))...)
		}
		uses = append(uses, chartObjects(prefix+"object.", section(below, "object"))...)
	}
	return uses
}

func chartStore(kind store, prefix string, settings map[string]any) []use {
	for _, at := range []string{"", "external"} {
		below, here := settings, prefix
		if at != "" {
			below, here = section(settings, at), prefix+at+"."
		}
		for _, name := range addressNames {
			if hosts := hostsOf(below[name]); hosts != "" {
				return []use{{kind, here + name, hosts, nameOf(below["database"])}}
			}
		}
	}
	return nil
}

// chartObjects reads where media go. Values are named after the storage that the
// server takes them for, which is MinIO also where it is SeaweedFS.
func chartObjects(prefix string, settings map[string]any) []use {
	for _, chosen := range []string{"minio", "aws", "cos", "oss", "kodo"} {
		below := section(settings, chosen)
		for _, name := range []string{"endpoint", "bucketURL"} {
			if hosts := hostsOf(below[name]); hosts != "" {
				return []use{{objects, prefix + chosen + "." + name, hosts, nameOf(below["bucket"])}}
			}
		}
	}
	return nil
}
