package openim

import (
	"bytes"
	"errors"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// store is a kind of place where OpenIM keeps data.
type store string

const (
	mongoDB store = "mongodb"
	mySQL   store = "mysql"
	redis   store = "redis"
	kafka   store = "kafka"
	objects store = "objects"
)

// use is one setting that makes OpenIM keep data in a store.
type use struct {
	store   store
	setting string // "mongo.address"
	address string // without credentials
	part    string // schema or bucket that is used there, if it is said
}

// serverKeys stand at the top of OpenIM's configuration and of hardly any
// other program's.
var serverKeys = []string{
	"rpcRegisterName", "longConnSvr", "multiLoginPolicy", "tokenPolicy", "chatPersistenceMysql",
	"groupMessageHasReadReceiptEnable", "retainChatRecords", "zookeeper",
}

// usesIn finds what a ConfigMap's or Secret's keys say about stores. unread
// are keys that look like OpenIM's configuration but are no YAML.
func usesIn(data map[string][]byte) (uses map[string][]use, unread []string) {
	uses = map[string][]use{}
	split := isSplit(data)
	for key, text := range data {
		documents, err := parse(text)
		if err != nil && (split && isYAML(key) || strings.Contains("\n"+string(text), "\nmongo:")) {
			unread = append(unread, key)
		}
		var found []use
		for _, settings := range documents {
			found = append(found, wholeFile(settings)...)
			if split {
				found = append(found, splitFile(key, settings)...)
			}
			if isOwnChart(key) {
				found = append(found, chartValues(settings)...)
			}
		}
		if len(found) > 0 {
			uses[key] = found
		}
	}
	slices.Sort(unread)
	return uses, unread
}

// parse reads the YAML documents that are mappings; anything else has no settings.
func parse(text []byte) (documents []map[string]any, err error) {
	for decoder := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var top yaml.Node
		if err := decoder.Decode(&top); errors.Is(err, io.EOF) {
			return documents, nil
		} else if err != nil {
			return documents, err
		}
		if len(top.Content) != 1 || top.Content[0].Kind != yaml.MappingNode {
			continue
		}
		var settings map[string]any
		if err := top.Decode(&settings); err != nil {
			return documents, err
		}
		documents = append(documents, settings)
	}
}

// wholeFile reads config.yaml of versions 3.0 to 3.4, under whatever name.
func wholeFile(settings map[string]any) []use {
	mongo := addressed(mongoDB, "mongo.", section(settings, "mongo"))
	ours := slices.ContainsFunc(serverKeys, func(key string) bool { return settings[key] != nil })
	if len(mongo) == 0 && !ours {
		return nil
	}
	uses := append(mongo, addressed(mySQL, "mysql.", section(settings, "mysql"))...)
	uses = append(uses, addressed(redis, "redis.", section(settings, "redis"))...)
	uses = append(uses, addressed(kafka, "kafka.", section(settings, "kafka"))...)
	return append(uses, objectStore(section(settings, "object"))...)
}

// isSplit reports whether the keys are the files into which version 3.5 has
// split the configuration. Names such as redis.yml alone are anybody's.
func isSplit(data map[string][]byte) bool {
	for key := range data {
		if isYAML(key) && (stem(key) == "mongodb" || strings.HasPrefix(key, "openim-")) {
			return true
		}
	}
	return false
}

// splitFile reads one of the files of version 3.5 and later.
func splitFile(key string, settings map[string]any) []use {
	switch {
	case !isYAML(key):
		return nil
	case stem(key) == "mongodb":
		return addressed(mongoDB, "", settings)
	case stem(key) == "redis":
		return addressed(redis, "", settings)
	case stem(key) == "kafka":
		return addressed(kafka, "", settings)
	case stem(key) == "openim-rpc-third":
		return objectStore(section(settings, "object"))
	}
	return nil
}

func isYAML(key string) bool { return path.Ext(key) == ".yml" || path.Ext(key) == ".yaml" }

func stem(key string) string { return strings.TrimSuffix(key, path.Ext(key)) }

func section(settings map[string]any, name string) map[string]any {
	below, _ := settings[name].(map[string]any)
	return below
}

// addressed reads the uri or the address of a store; uri wins, as in OpenIM.
func addressed(kind store, prefix string, settings map[string]any) []use {
	for _, name := range []string{"uri", "address", "addr"} {
		if hosts := hostsOf(settings[name]); hosts != "" {
			return []use{{kind, prefix + name, hosts, nameOf(settings["database"])}}
		}
	}
	return nil
}

// objectStore reads where media go: one of several, chosen by name.
func objectStore(settings map[string]any) []use {
	enabled, _ := settings["enable"].(string)
	if enabled == "" {
		return nil
	}
	chosen := section(settings, enabled)
	for _, name := range []string{"endpoint", "bucketURL"} {
		if hosts := hostsOf(chosen[name]); hosts != "" {
			return []use{{objects, "object." + enabled + "." + name, hosts, nameOf(chosen["bucket"])}}
		}
	}
	return []use{{objects, "object.enable", enabled, ""}}
}

// hostsOf returns the hosts of an address, a URI or a list of them, and
// nothing else that stands there.
func hostsOf(value any) string {
	switch value := value.(type) {
	case string:
		return bareHosts(value)
	case []any:
		var all []string
		for _, one := range value {
			if hosts := hostsOf(one); hosts != "" {
				all = append(all, hosts)
			}
		}
		return strings.Join(all, ",")
	}
	return ""
}

// plainName is what a schema's or a bucket's name is made of as a rule. Anything else
// is not printed: it may be a secret in a wrong place.
var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// nameOf returns the name of a schema or bucket, or nothing.
func nameOf(value any) string {
	if name, _ := value.(string); plainName.MatchString(name) {
		return name
	}
	return ""
}

// withheld stands for an address that is not printed.
const withheld = "(set, but not of a form that is safe to print)"

// bareHosts drops scheme, credentials, path and options of a URI. What is left
// is printed only if it looks like hosts and ports: a password with characters
// that ought to be escaped must not get through (invariant 4).
func bareHosts(uri string) string {
	text := strings.TrimSpace(uri)
	if text == "" {
		return ""
	}
	if _, rest, found := strings.Cut(text, "://"); found {
		text = rest
	}
	if at := strings.LastIndexByte(text, '@'); at >= 0 {
		text = text[at+1:]
	}
	if end := strings.IndexAny(text, "/?#"); end >= 0 {
		text = text[:end]
	}
	strange := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._:,[]", r))
	}
	if text == "" || strings.ContainsFunc(text, strange) {
		return withheld
	}
	return text
}
