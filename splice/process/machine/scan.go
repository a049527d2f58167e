//go:build linux && amd64

package machine

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/process"
)

// seen is a process as a scan found it.
type seen struct {
	id       procfs.ID
	command  string
	home     home
	selected bool
	maps     bool            // what the update is for
	old      bool            // and all functions that the update replaces are as they were
	other    string          // another build of the same program or library, which it maps
	shares   int             // a process that runs in the same memory, 0 for none
	hidden   error           // why it can't be looked at
	updates  []splice.Report // that it holds, when these are what is looked for
}

// process begins what is said about it.
func (s *seen) process(o Outcome, why string) Process {
	return Process{PID: s.id.PID, Command: s.command, Unit: s.home.unit(), Container: s.home.container(), Outcome: o, Why: why}
}

// scanner looks for the processes that an update is for, or, without one, for those that hold
// updates.
type scanner struct {
	update   *splice.Update
	subjects []int
	id       string // without an update: of what they have to hold, or its start
	selects  Selection
	parallel int
}

// pids lists the processes of the machine: all that are there from the beginning of the call to
// its end. The kernel goes by their numbers (proc_pid_readdir in its fs/proc/base.c).
func pids() ([]int, error) {
	f, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var out []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil && pid != os.Getpid() {
			out = append(out, pid)
		}
	}
	return out, nil
}

// scan looks at all processes once, and returns those that matter, by PID.
func (s *scanner) scan(ctx context.Context) ([]*seen, error) {
	list, err := pids()
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var out []*seen
	g, some := errgroup.WithContext(ctx)
	g.SetLimit(s.parallel)
	for _, pid := range list {
		g.Go(func() error {
			if err := some.Err(); err != nil {
				return err
			}
			p := s.look(some, pid)
			if p == nil {
				return nil
			}
			mu.Lock()
			out = append(out, p)
			mu.Unlock()
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b *seen) int { return cmp.Compare(a.id.PID, b.id.PID) })
	sharing(out)
	return out, nil
}

// look looks at one process, and returns nil when it does not matter: a thread of the kernel,
// one that has ended, or one that maps nothing of what the update is for.
func (s *scanner) look(ctx context.Context, pid int) *seen {
	p := s.begin(pid)
	switch {
	case p == nil:
		return nil
	case s.update == nil:
		return s.holder(ctx, p)
	}
	mods, err := image.ProcessModules(pid)
	return s.judge(p, mods, err)
}

// begin looks what a process is, and returns nil where it is none that has memory.
func (s *scanner) begin(pid int) *seen {
	st, err := procfs.ReadStat(pid)
	if err != nil || st.IsKthread() || procfs.MemoryPID(pid) == 0 {
		return nil
	}
	p := &seen{id: procfs.ID{PID: pid, Start: st.Start}, command: st.Comm, home: homeOf(pid)}
	p.selected = s.selects.holds(pid, &p.home)
	return p
}

// judge says what a process is for the update, by what it maps, or the error about that.
func (s *scanner) judge(p *seen, mods []image.Module, err error) *seen {
	switch {
	case errors.Is(err, procfs.ErrGone):
		return nil
	case err != nil:
		p.hidden = err
		return p
	}
	bias := s.find(p, mods)
	switch {
	case p.maps:
		p.old, err = s.isOld(p.id.PID, bias)
		if errors.Is(err, procfs.ErrGone) {
			return nil
		}
		return p
	case p.other != "" || slices.Contains(s.selects.PIDs, p.id.PID):
		return p
	}
	return nil
}

// homeOf reads where a process is; nowhere when that is not to be had.
func homeOf(pid int) home {
	b, err := os.ReadFile(procfs.Path(pid, "cgroup"))
	if err != nil {
		return home{}
	}
	return parseHome(b)
}

// holder looks for updates that a process holds.
func (s *scanner) holder(ctx context.Context, p *seen) *seen {
	list, err := process.Status(ctx, p.id.PID)
	switch {
	case errors.Is(err, process.ErrGone), errors.Is(err, process.CodeGone):
		return nil
	case err != nil:
		p.hidden = err
		return p
	}
	if !slices.ContainsFunc(list, func(u splice.Report) bool { return strings.HasPrefix(u.ID, s.id) }) {
		return nil
	}
	p.maps, p.updates = true, list
	return p
}

// find looks for the modules of the update among those of a process, and returns the load bias
// of each that is there.
func (s *scanner) find(p *seen, mods []image.Module) map[int]uint64 {
	bias := map[int]uint64{}
	for _, i := range s.subjects {
		want := &s.update.Modules[i]
		for k := range mods {
			m := &mods[k]
			id := hex.EncodeToString(m.BuildID)
			switch {
			case id == want.BuildID:
				bias[i] = m.Bias
				p.maps = true
			case family(m.Name) == family(want.Name) && m.Main == want.Main:
				p.other = fmt.Sprintf("it maps %s of build-id %q, and the update is for %s of %q", m.Name, id, want.Name, want.BuildID)
			}
		}
	}
	return bias
}

// isOld reports whether all functions that the update replaces have the code that it replaces.
func (s *scanner) isOld(pid int, bias map[int]uint64) (bool, error) {
	mem, err := procfs.OpenMem(pid, nil)
	if err != nil {
		return false, err
	}
	defer mem.Close()
	for i := range s.update.Objects {
		for k := range s.update.Objects[i].Redirects {
			at := &s.update.Objects[i].Redirects[k].Old[0]
			base, ok := bias[at.Module]
			if !ok {
				continue
			}
			b := make([]byte, len(at.Bytes))
			if _, err := mem.ReadAddr(b, base+at.Addr); err != nil {
				return false, err
			}
			if !bytes.Equal(b, at.Bytes) {
				return false, nil
			}
		}
	}
	return true, nil
}
