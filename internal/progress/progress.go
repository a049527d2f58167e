// Package progress counts what is done of a stage that takes long, for who watches.
package progress

import "sync"

// A Func is told what is under way: a word for the stage, and how many of its parts
// are done. It is nil where nobody watches.
type Func func(stage string, done, total int)

// A Counter counts the parts of one stage. Goroutines may share it.
type Counter struct {
	tell  Func
	stage string
	total int

	mu   sync.Mutex
	done int
}

// Begin tells that a stage begins, and returns what counts its parts. With no parts
// there is nothing to tell.
func (f Func) Begin(stage string, total int) *Counter {
	c := &Counter{tell: f, stage: stage, total: total}
	c.say()
	return c
}

// Done counts one part. Calls of the Func do not overlap, and done never goes back.
func (c *Counter) Done() {
	if c.tell == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done++
	c.say()
}

func (c *Counter) say() {
	if c.tell != nil && c.total > 0 {
		c.tell(c.stage, c.done, c.total)
	}
}
