package kube

import (
	"context"

	"github.com/openim-dr/openim-dr/internal/source"
)

var _ source.Recognizable = (*Cluster)(nil)

// ServerID is the UID of the namespace kube-system, which lives as long as its
// cluster.
func (c *Cluster) ServerID(ctx context.Context) (string, error) {
	s, err := c.open(ctx)
	if err != nil {
		return "", err
	}
	defer s.close()
	return s.uid(ctx)
}
