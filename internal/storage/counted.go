package storage

import (
	"context"
	"io"
)

// Class is what a storage is asked for, as services bill it.
type Class string

// Classes of requests.
const (
	ListRequest   Class = "list"
	ReadRequest   Class = "read" // of an object, or of what is known about it
	WriteRequest  Class = "write"
	DeleteRequest Class = "delete"
)

// Classes lists them.
var Classes = []Class{ListRequest, ReadRequest, WriteRequest, DeleteRequest}

// Counted wraps a driver so that count is told of each call, whatever comes of it. A
// driver may need several requests for one: a page for each thousand names, a part for
// each so many bytes. Count must be safe for concurrent use.
func Counted(s Storage, count func(Class)) Storage {
	c := &counting{s, count}
	if h, ok := s.(Holder); ok {
		return &countingHolder{c, h}
	}
	return c
}

type counting struct {
	Storage
	count func(Class)
}

func (c *counting) List(ctx context.Context, prefix string, fn func(Info) error) error {
	c.count(ListRequest)
	return c.Storage.List(ctx, prefix, fn)
}

func (c *counting) Dirs(ctx context.Context, dir string, span Span) ([]string, error) {
	c.count(ListRequest)
	return c.Storage.Dirs(ctx, dir, span)
}

func (c *counting) Stat(ctx context.Context, name string) (Info, error) {
	c.count(ReadRequest)
	return c.Storage.Stat(ctx, name)
}

func (c *counting) Open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	c.count(ReadRequest)
	return c.Storage.Open(ctx, name, offset, length)
}

func (c *counting) Create(ctx context.Context, name string) (Upload, error) {
	c.count(WriteRequest)
	return c.Storage.Create(ctx, name)
}

func (c *counting) Delete(ctx context.Context, seen Info) error {
	c.count(DeleteRequest)
	return c.Storage.Delete(ctx, seen)
}

type countingHolder struct {
	*counting
	holder Holder
}

func (c *countingHolder) SetHold(ctx context.Context, name string, held bool) (changed bool, err error) {
	c.count(WriteRequest)
	return c.holder.SetHold(ctx, name, held)
}
