package cli

import (
	"fmt"
	"time"
)

// An estimate tells how much time is left of a stage, by how long its parts took.
type estimate struct {
	name        string
	done, total int
	first       int // done when it began
	began       time.Time
	text        string
}

const (
	minTold = 2 * time.Second // what is told by less is a guess
	minLeft = 3 * time.Second // what is left of less is not worth a word
)

// tell takes the state of a stage, and returns it as text.
func (e *estimate) tell(now time.Time, name string, done, total int) string {
	if name != e.name || total != e.total || done < e.done {
		*e = estimate{name: name, first: done, total: total, began: now}
	}
	e.done = done
	if e.text = name; total > 1 {
		e.text += fmt.Sprintf(", %d of %d", done, total)
		if left := e.left(now); left >= minLeft {
			e.text += ", " + roughly(left) + " left"
		}
	}
	return e.text
}

// left is how long the rest takes, 0 when nobody can tell.
func (e *estimate) left(now time.Time) time.Duration {
	took, parts := now.Sub(e.began), e.done-e.first
	if parts <= 0 || took < minTold {
		return 0
	}
	return took * time.Duration(e.total-e.done) / time.Duration(parts)
}

// roughly is a duration as people say it.
func roughly(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()+0.5))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()+0.5))
	}
	return fmt.Sprintf("%.1f h", d.Hours())
}
