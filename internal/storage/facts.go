package storage

import (
	"context"
	"errors"
	"time"
)

// ErrNotSaid means that a service has answered, and has not said this.
var ErrNotSaid = errors.New("the service does not say")

// Fact is what a service says about one matter, or why that could not be seen.
// The zero value is a matter that this kind of service does not have.
type Fact[T any] struct {
	Seen  bool
	Value T
	// Unseen is why the matter could not be seen. ErrDenied is no fault: a writer
	// has no need to read how its bucket is set up.
	Unseen error
}

// Known is a fact that was seen.
func Known[T any](value T) Fact[T] { return Fact[T]{Seen: true, Value: value} }

// Unknown is a fact that could not be seen.
func Unknown[T any](why error) Fact[T] { return Fact[T]{Unseen: why} }

// BucketInspector is what a driver may also be whose service can be asked how a
// bucket is set up. Nothing is changed, and nothing is an error: what could not be
// seen says so itself.
type BucketInspector interface {
	InspectBucket(ctx context.Context) *Bucket
}

// Bucket is how a bucket is set up, as its service says it. It judges nothing.
type Bucket struct {
	Service  Scheme // GCS or S3
	Name     string
	Prefix   string // of the objects' names; empty, or ends in a slash
	Endpoint string // where that is not the service's own

	// UniformAccess: rights stand in one policy, and not at single objects.
	UniformAccess Fact[bool]
	// PublicAccessPrevented: nobody can open it to everybody.
	PublicAccessPrevented Fact[bool]
	Retention             Fact[Retention]
	// SoftDelete is how long what was deleted can be brought back; 0: not at all.
	SoftDelete Fact[time.Duration]
	Versioning Fact[bool]
	// DefaultHold: whatever is created is held until somebody lets go of it.
	DefaultHold Fact[bool]
	// ObjectRetention: objects may be given a retention of their own.
	ObjectRetention Fact[bool]
	// EncryptionKey is the key of somebody's own without which the service cannot
	// read what it keeps; empty: the service's.
	EncryptionKey Fact[string]
	Location      Fact[Geography]
	Lifecycle     Fact[[]LifecycleRule]
	// Rights are those that the caller has been granted on the whole bucket, of
	// those that were asked for.
	Rights Fact[[]string]
}

// Retention is for how long the service keeps what was created, whoever wants to
// delete it.
type Retention struct {
	Period time.Duration // 0: there is none
	// Locked: nobody can end or shorten it.
	Locked bool
}

// Geography is where in the world a bucket is.
type Geography struct {
	Name string
	// Regions are named where there is a choice of them.
	Regions []string
	// Several: the loss of one region does not lose the bucket.
	Several bool
}

// LifecycleRule is one thing that the service does to objects by itself.
type LifecycleRule struct {
	// Deletes, or moves to Class, or does something else that no object minds.
	Deletes bool
	Class   string
	// Unreadable: what was moved to Class has to be asked back before it is read.
	Unreadable bool
	// When says when, for people.
	When string
	// Spares says why an object as the repository creates it, and has not deleted,
	// is never touched; empty: it may be.
	Spares string
	// Prefixes and Suffixes of names, one of which must fit; none: all names.
	Prefixes, Suffixes []string
}

// VolumeInspector is what a driver may also be that keeps objects in a file system.
type VolumeInspector interface {
	InspectVolume(ctx context.Context) (*Volume, error)
}

// Volume is the file system under a directory.
type Volume struct {
	FreeBytes, Bytes uint64
	// FreeFiles of Files can be made; Files is 0 where the file system has no bound.
	FreeFiles, Files uint64
	// OthersWrite: users other than the owner may create and delete files.
	OthersWrite bool
}
