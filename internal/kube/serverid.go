package kube

import (
	"context"

	"github.com/openim-dr/openim-dr/internal/source"
)

var _ source.Recognizable = (*Cluster)(nil)

// systemNamespace lives as long as its cluster.
const systemNamespace = "kube-system"

// ServerID is the UID of the namespace kube-system.
func (c *Cluster) ServerID(ctx context.Context) (string, error) {
	s, err := c.open(ctx)
	if err != nil {
		return "", err
	}
	defer s.close()
	return s.uid(ctx)
}
