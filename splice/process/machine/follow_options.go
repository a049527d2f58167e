package machine

import "time"

// FollowOptions adjusts how processes are followed. The zero value of what it adds is good.
type FollowOptions struct {
	Options
	// Every is the time between two looks at all processes, beside those at each that executes
	// something: for libraries that are loaded late, and for what events did not tell. 0 means
	// 30 s.
	Every time.Duration
	// Hold bounds how long a program that is executed waits for its turn when many are executed at once: then it
	// goes on with the old code, and is patched some moments later. 0 means 200 ms.
	Hold time.Duration
	// Tell is told of each process that was treated. It is called by one goroutine at a time.
	Tell func(Followed)
	// Ready, when set, is called when all processes that there are have been treated, and what
	// starts from then on is seen. events says whether the kernel tells of programs that are
	// executed; nil, or why processes are found by looking at all again and again only.
	Ready func(events error)
}

// Followed is what became of a process that was followed.
type Followed struct {
	Update string `json:"update"` // its name
	// Early says that the program's own code, and that of its libraries, had not begun to run.
	Early   bool    `json:"early"`
	Process Process `json:"process"`
}

const (
	usualEvery = 30 * time.Second
	usualHold  = 200 * time.Millisecond
)

// looks are when a process is looked at after it has executed a program of which it is not known
// that it maps what an update is for.
var looks = [...]time.Duration{5 * time.Millisecond, 50 * time.Millisecond, 500 * time.Millisecond, 3 * time.Second}

// maxLooks bounds how many processes wait to be looked at; what is beyond is found by the look at all.
const maxLooks = 1 << 12
