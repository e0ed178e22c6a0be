package mysql

import (
	"context"
	"sync"
)

// queue holds work that is still to be done: ranges to read, chunks to load. A
// worker that takes something may put more in before it is done; the queue is
// at its end when it is empty and everything that was taken is done.
type queue[T any] struct {
	mu      sync.Mutex
	changed *sync.Cond
	waiting []T
	taken   int
}

func newQueue[T any](tasks ...T) *queue[T] {
	q := &queue[T]{waiting: tasks}
	q.changed = sync.NewCond(&q.mu)
	return q
}

// push puts tasks in front of the others: what is left of a table that has
// been begun comes before the next table.
func (q *queue[T]) push(tasks ...T) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(tasks[:len(tasks):len(tasks)], q.waiting...)
	q.changed.Broadcast()
}

// take waits for a task. It returns false at the end of the queue or when ctx
// ends.
func (q *queue[T]) take(ctx context.Context) (next T, ok bool) {
	stop := context.AfterFunc(ctx, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.changed.Broadcast()
	})
	defer stop()
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) == 0 && q.taken > 0 && ctx.Err() == nil {
		q.changed.Wait()
	}
	if len(q.waiting) == 0 || ctx.Err() != nil {
		return next, false
	}
	next = q.waiting[0]
	q.waiting = q.waiting[1:]
	q.taken++
	return next, true
}

// length is how many tasks wait to be taken.
func (q *queue[T]) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

// done says that a task that was taken is finished.
func (q *queue[T]) done() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.taken--
	q.changed.Broadcast()
}
