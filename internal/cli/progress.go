package cli

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/gosplice/gosplice/internal/visible"
)

const (
	patience = time.Second            // how long a tool is silent
	redraw   = 200 * time.Millisecond // how often the line changes after that
)

// A Progress shows on one line of a terminal what is under way, once it has lasted
// a while. On what is no terminal it shows nothing.
type Progress struct {
	w    io.Writer
	name string
	stop chan struct{}
	done sync.WaitGroup

	mu    sync.Mutex
	text  string
	whole estimate // of all, see Part
	stage estimate
}

// Progress returns a new line for what the tool does. Stop ends it.
func (t *Tool) Progress(stderr *Output) *Progress {
	p := &Progress{name: t.Name, stop: make(chan struct{})}
	if stderr.IsTerminal {
		p.start(stderr.Raw(), patience)
	}
	return p
}

func (p *Progress) start(w io.Writer, wait time.Duration) {
	p.w = w
	p.done.Go(func() { p.draw(wait) })
}

// Tell is for the options of the library that are called Progress. It says how much time
// is left of the stage, once there is something to tell that by.
func (p *Progress) Tell(stage string, done, total int) {
	if p.w == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = p.stage.tell(time.Now(), stage, done, total)
}

// Part says how far all of it is, of which [Progress.Tell] tells the stages: patches, say.
// A total of 0 ends that.
func (p *Progress) Part(what string, done, total int) {
	if p.w == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stage, p.text = estimate{}, ""
	p.whole.tell(time.Now(), what, done, total)
}

// Step says what is under way.
func (p *Progress) Step(format string, args ...any) {
	if p.w == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stage, p.text = estimate{}, fmt.Sprintf(format, args...)
}

// shown is the line as it is now.
func (p *Progress) shown() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.whole.total > 0 && p.text != "" {
		return p.whole.text + ": " + p.text
	}
	return p.whole.text + p.text
}

// Stop takes the line away.
func (p *Progress) Stop() {
	select {
	case <-p.stop:
		return
	default:
		close(p.stop)
	}
	p.done.Wait()
}

// eraseLine takes a line off a terminal (ECMA-48, section 8.3.41).
const eraseLine = "\r" + visible.Esc + "[K"

// maxProgress bounds the line, which must not be broken, in characters.
const maxProgress = 79

// draw shows the text whenever it is another one.
func (p *Progress) draw(wait time.Duration) {
	last := ""
	for {
		select {
		case <-p.stop:
			if last != "" {
				io.WriteString(p.w, eraseLine)
			}
			return
		case <-time.After(wait):
		}
		wait = redraw
		text := p.shown()
		if text != last {
			last = text
			line := []rune(visible.Text(strings.TrimSpace(p.name + ": " + text)))
			io.WriteString(p.w, eraseLine+string(line[:min(len(line), maxProgress)]))
		}
	}
}
