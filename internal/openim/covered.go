package openim

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/source"
)

// Configured is a source of the configuration, so far as it may cover a store.
type Configured struct {
	Kind, Name string
	Address    string                 // HOST:PORT, a URL, or a socket; empty where a kind has none
	Holds      func(part string) bool // whether it captures a schema or bucket; nil where that cannot be told
}

// place is a use and where it was found.
type place struct {
	use
	at        string
	namespace string // of the object that it was found in
}

func (p place) String() string {
	text := fmt.Sprintf("%s sets %s to %s", p.at, p.setting, p.address)
	if p.part != "" {
		text += fmt.Sprintf(" (%s)", p.part)
	}
	return text
}

// findings compare where OpenIM keeps something with what the sources capture.
func (c coverage) findings(places []place, sources []Configured) []source.Finding {
	var texts []string
	for _, p := range places {
		texts = append(texts, p.String())
	}
	evidence := shortened(texts)
	covering := slices.DeleteFunc(slices.Clone(sources), func(s Configured) bool { return !slices.Contains(c.kinds, s.Kind) })
	if len(covering) == 0 {
		return []source.Finding{{
			Check: c.check, Severity: c.severity,
			Evidence: fmt.Sprintf("%s, but no source covers %s: %s", evidence, c.called, c.loss), Remedy: c.remedy, Store: c.called,
		}}
	}
	findings := []source.Finding{{Check: c.check, Severity: source.OK, Evidence: evidence + "; a source of that kind is configured"}}
	for _, p := range places {
		findings = append(findings, c.compared(p, covering)...)
	}
	return findings
}

// compared says what is wrong with one use, given sources of the kind.
func (c coverage) compared(p place, covering []Configured) []source.Finding {
	holding := slices.DeleteFunc(slices.Clone(covering), func(s Configured) bool { return p.part != "" && s.Holds != nil && !s.Holds(p.part) })
	if len(holding) == 0 {
		return []source.Finding{{
			Check: c.check, Severity: c.severity,
			Evidence: fmt.Sprintf("%s, and %s is captured by none of the sources %s: %s", p, p.part, namesOf(covering), c.loss),
			Remedy:   fmt.Sprintf("add %s to what the source captures", p.part),
			Store:    c.called + " " + p.part,
		}}
	}
	if p.atFiler() {
		return []source.Finding{{
			Check: c.check, Severity: source.Warning,
			Evidence: p.String() + ": that is where SeaweedFS's filer answers, which speaks no S3 and asks nobody for a key",
			Remedy:   "give OpenIM the port of the S3 server, 8333 as a rule, as the sources have it; and keep the filer's from all but SeaweedFS's own pods",
		}}
	}
	if slices.ContainsFunc(holding, func(s Configured) bool { return maySame(p.address, p.namespace, s.Address) }) {
		return nil
	}
	return []source.Finding{{
		Check: c.check, Severity: source.Warning,
		Evidence: fmt.Sprintf("%s, and the sources %s read from elsewhere: whether that is the same server cannot be told from names", p, addressesOf(holding)),
		Remedy:   "compare the two: a source that reads another server captures something else; give both the same name where they are one",
	}}
}

// atFiler reports whether objects are to go to a filer of SeaweedFS rather than to its
// S3 server: by the port, and by the name that its chart gives it.
func (p place) atFiler() bool {
	if p.store != objects {
		return false
	}
	host, port := hostOf(p.address)
	return port == "8888" && (strings.Contains(host, "filer") || strings.Contains(host, "seaweed"))
}

// maySame reports whether two addresses may mean one server. A Service has a short
// name, which the namespace of who uses it completes, and longer ones; what is reached
// by a tunnel or by number has none to compare.
func maySame(used, namespace, configured string) bool {
	of := bareHosts(configured)
	if used == withheld || of == withheld || of == "" {
		return true
	}
	for one := range strings.SplitSeq(used, ",") {
		for other := range strings.SplitSeq(of, ",") {
			a, portA := hostOf(one)
			b, portB := hostOf(other)
			if nameless(a) || nameless(b) {
				return true
			}
			if !strings.Contains(a, ".") {
				a += "." + namespace
			}
			samePort := portA == "" || portB == "" || portA == portB
			if samePort && (a == b || strings.HasPrefix(a, b+".") || isPodOf(a, b)) {
				return true
			}
		}
	}
	return false
}

// hostOf returns the host, of a Service as NAME.NAMESPACE, and the port if there is one.
func hostOf(address string) (host, port string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		host, port = address, ""
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if labels := strings.Split(host, "."); len(labels) > 2 { // svc, and the cluster's domain
		if at := slices.Index(labels, "svc"); at >= 2 {
			host = strings.Join(labels[:at], ".")
		}
	}
	return host, port
}

// isPodOf reports whether one of two hosts is a pod's name in the other, a Service.
func isPodOf(a, b string) bool {
	return strings.Count(b, ".") > 0 && strings.HasSuffix(a, "."+b) || strings.HasSuffix(b, "."+a)
}

// nameless is a host that is given by number, or is this machine.
func nameless(host string) bool {
	return host == "" || host == "localhost" || net.ParseIP(strings.Trim(host, "[]")) != nil
}

func namesOf(sources []Configured) string {
	var names []string
	for _, s := range sources {
		names = append(names, s.Name)
	}
	return strings.Join(names, ", ")
}

func addressesOf(sources []Configured) string {
	var texts []string
	for _, s := range sources {
		texts = append(texts, fmt.Sprintf("%s (%s)", s.Name, bareHosts(s.Address)))
	}
	return strings.Join(texts, ", ")
}
