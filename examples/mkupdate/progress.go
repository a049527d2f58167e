package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// patience is how long the tool is silent.
const patience = time.Second

// progress says what takes long: the step that is under way when it has lasted
// long enough, and those that follow.
type progress struct {
	w     io.Writer
	start time.Time

	mu    sync.Mutex
	timer *time.Timer
}

// step begins a step.
func (p *progress) step(format string, args ...any) {
	p.stop()
	line := fmt.Sprintf("mkupdate: "+format+"\n", args...)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = time.AfterFunc(max(0, patience-time.Since(p.start)), func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		_, _ = io.WriteString(p.w, line)
	})
}

// stop ends the last step.
func (p *progress) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil {
		p.timer.Stop()
	}
}
