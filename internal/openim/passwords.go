package openim

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/source"
)

// Checks of passwords.
const (
	checkPasswords = "openim.passwords"
	checkDefaults  = "openim.default-passwords"
)

// defaultPasswords are those that OpenIM's own installation scripts and manifests
// give to its databases, its object storage and its tokens, those with which MinIO
// starts, and that of the production checklist for SeaweedFS. Whoever has read them
// gets in.
var defaultPasswords = []string{"openIM123", "minioadmin", "admin123"}

// secretNames are how names of settings end that hold a secret, in small letters and
// without separators.
var secretNames = []string{"password", "passwd", "passphrase", "secret", "secretkey", "secretaccesskey", "accesskeysecret", "apikey", "privatekey", "token"}

// secretReferences are how names end that hold the name of a Secret, though they end
// like those above.
var secretReferences = []string{"existingsecret", "pullsecret", "tlssecret"}

// inURL is a password in an address, as of mongodb://USER:PASSWORD@HOST.
var inURL = regexp.MustCompile(`[a-z]://[^/\s:@"']*:([^/\s@"']+)@`)

// assignment is a setting in a file of an environment or of MySQL.
var assignment = regexp.MustCompile(`^\s*(?:export\s+)?([A-Za-z_][\w.-]*)\s*=\s*["']?([^"'#]*?)["']?\s*$`)

// passwords collects where secrets stand that are not well kept. It holds no value.
type passwords struct{ plain, defaults []string }

// look examines one ConfigMap or Secret.
func (p *passwords) look(namespace, kind, name string, content map[string][]byte) {
	for _, key := range slices.Sorted(maps.Keys(content)) {
		plain, known := false, false
		secretsIn(key, string(content[key]), func(value string) {
			plain = true
			known = known || slices.Contains(defaultPasswords, value)
		})
		at := fmt.Sprintf("%s %s/%s key %s", kind, namespace, name, key)
		if plain && kind == "ConfigMap" {
			p.plain = append(p.plain, at)
		}
		if known {
			p.defaults = append(p.defaults, at)
		}
	}
}

// mostNested bounds how deep texts within texts are looked into: values of a chart that
// hold a file, which holds a file.
const mostNested = 3

// secretsIn calls fn with everything under a key that looks like a secret's value:
// the whole text, a setting of the YAML, JSON or assignments that it is, or a password
// in an address.
func secretsIn(key, text string, fn func(value string)) { secretsWithin(key, text, 0, fn) }

func secretsWithin(key, text string, depth int, fn func(value string)) {
	text = strings.TrimSpace(text)
	if isSecretName(key) {
		meant(text, fn)
		return
	}
	for _, found := range inURL.FindAllStringSubmatch(text, -1) {
		meant(found[1], fn)
	}
	documents, err := parse([]byte(text))
	for _, settings := range documents {
		secretsBelow(settings, depth, fn)
	}
	if err == nil && len(documents) > 0 {
		return
	}
	for line := range strings.Lines(text) {
		if found := assignment.FindStringSubmatch(line); found != nil && isSecretName(found[1]) {
			meant(found[2], fn)
		}
	}
}

// secretsBelow goes through settings, lists and texts of several lines in them too.
func secretsBelow(value any, depth int, fn func(value string)) {
	switch value := value.(type) {
	case map[string]any:
		if name, named := value["name"].(string); named && isSecretName(name) { // as of a container's environment
			meant(scalar(value["value"]), fn)
		}
		for name, below := range value {
			if text := scalar(below); text != "" && isSecretName(name) {
				meant(text, fn)
				continue
			}
			secretsBelow(below, depth, fn)
		}
	case []any:
		for _, below := range value {
			secretsBelow(below, depth, fn)
		}
	case string:
		if strings.Contains(value, "\n") && depth < mostNested {
			secretsWithin("", value, depth+1, fn)
		}
	}
}

// scalar is a text or a number as it was written, and nothing for what is neither.
func scalar(value any) string {
	switch value := value.(type) {
	case string:
		return value
	case int, int64, uint64, float64:
		return fmt.Sprint(value)
	}
	return ""
}

func isSecretName(name string) bool {
	bare := strings.NewReplacer("_", "", "-", "", ".", "").Replace(strings.ToLower(name))
	ends := func(ending string) bool { return strings.HasSuffix(bare, ending) }
	return slices.ContainsFunc(secretNames, ends) && !slices.ContainsFunc(secretReferences, ends)
}

// meant calls fn unless the value is empty or names a variable to be put there.
func meant(value string, fn func(value string)) {
	if value != "" && !strings.HasPrefix(value, "$") && !strings.HasPrefix(value, "{{") {
		fn(value)
	}
}

// findings say where, and never what.
func (p *passwords) findings(looked int) []source.Finding {
	if looked == 0 {
		return nil
	}
	return []source.Finding{
		places(checkPasswords, p.plain, "passwords stand in ConfigMaps, which are less guarded than Secrets, in clear: ",
			"move them into Secrets, and change them; a backup seals ConfigMaps as it does Secrets", "no ConfigMap holds a password in clear"),
		places(checkDefaults, p.defaults, "a password that OpenIM's or MinIO's own installation gives to everybody is used: ",
			"change it at the server and here; a point from before holds the old one", "no password is one of those that OpenIM's and MinIO's own installations give to everybody"),
	}
}

func places(check string, where []string, bad, remedy, good string) source.Finding {
	if len(where) == 0 {
		return source.Finding{Check: check, Severity: source.OK, Evidence: good}
	}
	return source.Finding{Check: check, Severity: source.Warning, Evidence: bad + shortened(where), Remedy: remedy}
}

// shownPlaces bounds what one finding names: a cluster has thousands of objects.
const shownPlaces = 20

func shortened(where []string) string {
	text := strings.Join(where[:min(len(where), shownPlaces)], "; ")
	if more := len(where) - shownPlaces; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}
