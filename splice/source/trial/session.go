package trial

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/reloc/image"
)

// A Session is a guest that has booted, in which updates are tried one after the other: to
// boot takes longer than to try. It is not for several goroutines at once.
type Session struct {
	m      *vm.Machine
	boot   Options // by which it was booted
	booted Stage
	dead   bool // the guest is gone

	ctx     context.Context   // of its life
	kernel  *image.Image      // as it was seen last; nil before
	modules map[string]string // then: where the kernel said that they are, by name
}

// Boot boots a kernel. Of the options it needs Boot and Modules; Guest, Files, Busybox, Cache
// and Progress count as well. The guest ends with ctx, and with the process.
func Boot(ctx context.Context, o Options) (*Session, error) {
	p, err := o.prepareGuest()
	if err != nil {
		return nil, fmt.Errorf("boot a guest: %w", err)
	}
	s := &Session{ctx: ctx, boot: p.Options}
	s.boot.Busybox = p.busybox
	begin := begin(o.Progress, stageBoot)
	s.m, err = vm.Start(ctx, vm.Options{
		Kernel: p.kernel, Cmdline: o.Guest.Cmdline, CPUs: o.Guest.CPUs, Memory: o.Guest.Memory, CPUModel: o.Guest.Processor, Cache: o.Cache,
	})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(s.installBusybox(ctx), s.put(ctx, o.Files)); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.booted = end(o.Progress, stageBoot, begin)
	return s, nil
}

func (s *Session) installBusybox(ctx context.Context) error {
	if s.boot.Busybox == "" {
		return nil
	}
	if err := s.put(ctx, map[string]string{busyboxPath: s.boot.Busybox}); err != nil {
		return err
	}
	r, err := s.m.Run(ctx, vm.Command{Path: busyboxPath, Args: []string{"--install", "-s", "/bin"}})
	if err == nil && r.Status != 0 {
		err = fmt.Errorf("it ended with status %d: %s", r.Status, r.Stderr)
	}
	if err != nil {
		return fmt.Errorf("busybox in the guest: %w", err)
	}
	return nil
}

// put copies files of this machine into the guest.
func (s *Session) put(ctx context.Context, files map[string]string) error {
	for to, from := range files {
		st, err := os.Stat(from)
		if err != nil {
			return err
		}
		b, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		if err := s.m.Put(ctx, to, b, st.Mode().Perm()); err != nil {
			return err
		}
	}
	return nil
}

// Alive reports whether more updates can be tried: a guest whose kernel died is gone.
func (s *Session) Alive() bool { return s.m != nil && !s.dead && s.ctx.Err() == nil }

// Try is [Run] in this guest: of the options, those of [Boot] do not count. What was loaded
// before the update stays, and what it can't take back as well: its findings are of this
// update alone, since those of earlier ones are Earlier.
func (s *Session) Try(ctx context.Context, o Options) (*Report, error) {
	o.Boot, o.Modules, o.Guest, o.Cache, o.Busybox = s.boot.Boot, s.boot.Modules, s.boot.Guest, s.boot.Cache, s.boot.Busybox
	p, err := o.prepare()
	if err != nil {
		return nil, fmt.Errorf("try the update: %w", err)
	}
	if !s.Alive() {
		return nil, fmt.Errorf("try %s: the guest is gone", o.Update.Name)
	}
	t := &trial{plan: p, Session: s, report: newReport(p)}
	t.report.Kernel = s.m.Release
	if err := t.stages(ctx); err != nil {
		return nil, fmt.Errorf("try %s with %s: %w", o.Update.Name, s.m.Release, err)
	}
	t.report.OK = len(t.report.Failures) == 0 && len(t.report.Findings) == 0
	return t.report, nil
}

// Close lets the guest go off. The error says that it did not by itself, and was killed.
func (s *Session) Close() error {
	if s.kernel != nil {
		_ = s.kernel.Close() // of a file in the guest, which goes
		s.kernel = nil
	}
	if s.m == nil {
		return nil
	}
	if err := s.m.Close(); err != nil && !s.dead && s.ctx.Err() == nil {
		return err
	}
	return nil
}

// look returns the guest's kernel, with those of the modules that it has now. To open it
// takes seconds, since its symbols travel: the one that was seen last will do where these
// modules are the same.
func (s *Session) look(ctx context.Context, modules []string) (*image.Image, error) {
	list, err := s.m.ReadFile(ctx, "/proc/modules")
	if err != nil {
		return nil, err
	}
	now := map[string]string{}
	for line := range strings.Lines(string(list)) {
		if f := strings.Fields(line); len(f) >= 6 { // name, size, users, who they are, state, address
			now[f[0]] = f[5]
		}
	}
	same := s.kernel != nil
	for _, name := range modules {
		same = same && now[name] == s.modules[name]
	}
	if same {
		return s.kernel, nil
	}
	if s.kernel != nil {
		_ = s.kernel.Close()
	}
	s.modules = now
	s.kernel, err = image.NewRunningContext(ctx, s.m.FS(s.ctx))
	return s.kernel, err
}

func begin(tell func(string, int, int), stage string) time.Time {
	if tell != nil {
		tell(stage, 0, 1)
	}
	return time.Now()
}

func end(tell func(string, int, int), stage string, begin time.Time) Stage {
	if tell != nil {
		tell(stage, 1, 1)
	}
	return Stage{Name: stage, Elapsed: time.Since(begin)}
}
