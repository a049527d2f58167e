package machine

import (
	"log/slog"
	"runtime"

	"github.com/gosplice/gosplice/splice/process"
)

// Options adjusts what is done to the processes of a machine. The zero value is good.
type Options struct {
	// Select says which processes are meant.
	Select Selection
	// Process is how each is treated. With DryRun none is stopped or changed.
	Process process.Options
	// Parallel bounds how many processes are treated at once. 0 means two for each processor.
	Parallel int
	// Scans bounds how often all processes are looked at, until nobody new is found. 0 means 50.
	Scans int
	// Logger, when set, is told at level Debug of each process what became of it.
	Logger *slog.Logger
}

// CodeSharedMemory is the refusal of a process whose memory another process runs in.
const CodeSharedMemory = process.CodeSharedMemory

const (
	usualScans = 50
	// quiet is how many scans one after the other have to find nobody before it ends: what
	// begins during one, and maps its files after that has passed it, is seen by the next.
	quiet = 2
	// triesEach bounds how often a process is treated that executes other programs meanwhile,
	// or that another one shares its memory with for a moment.
	triesEach = 5
)

func (o *Options) defaults() error {
	if o.Parallel <= 0 {
		o.Parallel = 2 * runtime.GOMAXPROCS(0)
	}
	if o.Scans <= 0 {
		o.Scans = usualScans
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o.Select.check()
}
