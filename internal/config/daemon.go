package config

import (
	"time"

	"github.com/openim-dr/openim-dr/internal/quantity"
)

// How one of several daemons is elected.
const (
	ElectByRepository = "repository"
	ElectByKubernetes = "kubernetes"
)

// Daemon says how openim-dr run works.
type Daemon struct {
	Election string `yaml:"election,omitempty" jsonschema:"enum=repository,enum=kubernetes" jsonschema_description:"by what one of several daemons leads: a lease of the repository (default), or a Lease of the Kubernetes cluster that they run in"`
	Lease    *Lease `yaml:"lease,omitempty" jsonschema_description:"the Lease of election: kubernetes"`
	HTTP     HTTP   `yaml:"http,omitempty" jsonschema_description:"who may look at what openim-dr run --http shows, and how"`
}

// Lease is an object of coordination.k8s.io.
type Lease struct {
	Namespace  string            `yaml:"namespace,omitempty" jsonschema_description:"where it is; default the pod's own namespace"`
	Name       string            `yaml:"name,omitempty" jsonschema_description:"each instance needs one of its own; default openim-dr"`
	Length     quantity.Duration `yaml:"length,omitempty" jsonschema_description:"how long it holds without a renewal; whole seconds, default 60s"`
	Kubeconfig string            `yaml:"kubeconfig,omitempty" jsonschema_description:"path of a kubeconfig file; without it the pod's own service account"`
	Context    string            `yaml:"context,omitempty" jsonschema_description:"context of the kubeconfig; without it the current one"`
}

// Bounds of daemon.lease.length: a shorter one would be lost to a slow answer.
const (
	minLease = quantity.Duration(5 * time.Second)
	maxLease = quantity.Duration(10 * time.Minute)
)

// ElectedByKubernetes reports whether a Lease of Kubernetes elects the daemon.
func (c *Config) ElectedByKubernetes() bool {
	return c.Daemon != nil && c.Daemon.Election == ElectByKubernetes
}

func (d *decoder) validateDaemon(given *Daemon) {
	if given == nil {
		return
	}
	d.validateHTTP(given.HTTP)
	d.validateWord("daemon.election", given.Election, ElectByRepository, ElectByKubernetes)
	if given.Lease == nil {
		return
	}
	if given.Election != ElectByKubernetes {
		d.problem("daemon.lease", "it would do nothing: election is not %s", ElectByKubernetes)
	}
	if _, ok := d.lines["daemon.lease.length"]; ok && (given.Lease.Length < minLease || given.Lease.Length > maxLease || given.Lease.Length.Duration()%time.Second != 0) {
		d.problem("daemon.lease.length", "it is not a number of whole seconds between %s and %s", minLease, maxLease)
	}
}
