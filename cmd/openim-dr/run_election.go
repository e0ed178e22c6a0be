package main

import (
	"crypto/rand"
	"os"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/daemon"
	"github.com/openim-dr/openim-dr/internal/kube"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// leaseTerms is how many lengths of a run's lease that of the daemon has in the
// repository: it is held always, and each renewal is a file.
const leaseTerms = 5

// electorOf elects as a configuration says.
func electorOf(c *config.Config, store storage.ReadWriter) (daemon.Elector, error) {
	if c.ElectedByKubernetes() {
		return kube.NewElection(leaseSettings(c))
	}
	length := c.Repository.LeaseLength.Duration()
	if length <= 0 {
		length = repository.DefaultLeaseLength
	}
	return daemon.LeaseElector{Store: store, Instance: c.Instance, Length: leaseTerms * length}, nil
}

// electionIn is what a configuration says of elections.
func electionIn(c *config.Config) config.Daemon {
	if c.Daemon == nil {
		return config.Daemon{}
	}
	return config.Daemon{Election: c.Daemon.Election, Lease: c.Daemon.Lease}
}

func leaseSettings(c *config.Config) kube.LeaseSettings {
	given := c.Daemon.Lease
	if given == nil {
		given = new(config.Lease)
	}
	host, err := os.Hostname() // in a pod its name
	if err != nil {
		host = "unknown"
	}
	return kube.LeaseSettings{
		Kubeconfig: given.Kubeconfig, Context: given.Context, Namespace: given.Namespace, Name: given.Name, Length: given.Length.Duration(),
		Instance: c.Instance, Identity: host + "_" + rand.Text(),
	}
}
