// Package kube exports the objects of a Kubernetes cluster into a point and
// applies them again. Both directions of one format live here: per namespace
// one YAML stream that `kubectl apply -f` takes, with the namespace itself as
// its first document, and one stream for what belongs to no namespace. Each of
// them is a part of a point.
//
// Objects are handled without their Go types, by group, version and resource
// as the server names them, so that any kind can be configured. What a cluster
// makes anew is left out of a point, and kinds come back in an order of ranks, so
// that each finds what it needs.
//
// What the server sets is stripped: uid, resourceVersion, generation,
// creationTimestamp, deletionTimestamp, managedFields and status, and the
// annotations in which controllers count changes; and what a cluster gives to one
// object alone, such as a Service's address or the volume of a claim.
// OwnerReferences are stripped too, always: they name their owner by a uid
// that no other cluster has, and a garbage collector deletes what refers to an
// owner that does not exist. Everything else stays, kubectl's annotation of
// what was last applied included. What is left, as JSON, is an object's
// canonical form, on which digests and comparisons rest.
//
// Besides, a Quiescer stops the workloads that write while a restore is under
// way. What it has stopped is captured, compared and restored as what it is when
// it runs, and a restore does not start it: that is for Release to do.
package kube
