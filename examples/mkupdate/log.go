package main

import (
	"bytes"
	"sync"
)

// lines collects lines that are written to it. Goroutines may share it.
type lines struct {
	mu   sync.Mutex
	list []string
	rest []byte
}

// Write takes the whole lines.
func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, b...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte{'\n'})
		if !ok {
			return len(b), nil
		}
		l.list, l.rest = append(l.list, string(line)), rest
	}
}

// take returns the lines since it was called last.
func (l *lines) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.list
	l.list = nil
	return list
}
