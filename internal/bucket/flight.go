package bucket

import (
	"context"

	"golang.org/x/sync/semaphore"
)

const (
	// flightShare is the part of a bucket's bytes that is on its way at once, and
	// leastFlight how much that is at least.
	flightShare = 64
	leastFlight = 8 << 20
)

// flight bounds the bytes of objects that are on their way to a bucket: a restore that
// is killed sends these again. An object that is larger goes alone. It is safe for
// concurrent use.
type flight struct {
	room *semaphore.Weighted
	most int64 // bytes of it
}

// newFlight is for so many bytes in all.
func newFlight(all int64) flight {
	room := max(leastFlight, all/flightShare)
	return flight{semaphore.NewWeighted(room), room}
}

// depart waits for room for an object. Who calls must land it.
func (f flight) depart(ctx context.Context, size int64) (land func(), err error) {
	weight := min(size, f.most)
	if err := f.room.Acquire(ctx, weight); err != nil {
		return nil, err
	}
	return func() { f.room.Release(weight) }, nil
}
