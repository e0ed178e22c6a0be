package source

import "context"

// Outsider is an optional ability of a source: a part of what its captures make
// stands outside the repository, such as snapshots of volumes, and is marked with
// the point that it belongs to. It goes when that point is gone.
type Outsider interface {
	// Outside lists what stands there for this source, for points of an instance in
	// one repository: for every such point, whether it is there or not, and for runs
	// that never became one. What bears no such marks, or those of another source,
	// instance or repository, is never among it.
	Outside(ctx context.Context, instance, repository string) ([]Outlying, error)
	// RemoveOutside removes exactly what was listed, and returns how much of it is
	// gone or going. One that cannot be removed keeps no other from it; what is gone
	// already counts. It may be repeated.
	RemoveOutside(ctx context.Context, listed []Outlying) (removed int, err error)
}

// Outlying is one thing that stands outside the repository.
type Outlying struct {
	Point string // the id that it is marked with
	Name  string // "VolumeSnapshot seaweedfs/openim-dr-…"
	Bytes int64  // as its keeper counts; 0: not known
	// Private carries what the source wants to find again.
	Private any
}
