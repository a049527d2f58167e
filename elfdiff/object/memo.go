package object

import "sync"

// Memo returns what build makes of an object. It is built once for each type T, when
// it is first asked for, and kept with the object. Memo is safe for concurrent use;
// what build returns must not be changed.
//
// Analyses keep what they learn of an object by it, so that a caller that needs none
// pays for none.
func Memo[T any](o *Object, build func(*Object) T) T {
	v, ok := o.memos.Load((*T)(nil))
	if !ok {
		v, _ = o.memos.LoadOrStore((*T)(nil), &memo[T]{})
	}
	m := v.(*memo[T])
	m.once.Do(func() { m.value = build(o) })
	return m.value
}

type memo[T any] struct {
	once  sync.Once
	value T
}
