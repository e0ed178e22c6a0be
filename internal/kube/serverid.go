package kube

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
	system, err := s.namespace(ctx, "kube-system")
	switch {
	case answered(err, metav1.StatusReasonForbidden):
		return "", nil
	case err != nil:
		return "", err
	case system == nil:
		return "", nil
	}
	return string(system.GetUID()), nil
}
