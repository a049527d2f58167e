//go:build linux && amd64

package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/internal/ptrace"
)

// A tracker tells which pages of a running process were written since it was last
// asked: by userfaultfd(2), whose asynchronous write protection the kernel takes
// off by itself at the first write, and PAGEMAP_SCAN (ioctl_userfaultfd(2) and
// Documentation/admin-guide/mm/pagemap.rst of Linux 6.7, the first that has both).
// The process is disturbed by a page fault for each page that it writes. All of it
// ends when the descriptor is closed, which the death of the tool does too.
type tracker struct {
	fd      int
	pagemap *os.File
	areas   []extent // that are tracked
	todo    []live   // what is left to be searched of these
}

const (
	uffdUserModeOnly = 1 // UFFD_USER_MODE_ONLY, which needs no privilege

	uffdAPI      = 0xaa
	uffdWPAsync  = 1 << 15 // UFFD_FEATURE_WP_ASYNC
	uffdWPShmem  = 1 << 12 // UFFD_FEATURE_WP_HUGETLBFS_SHMEM
	uffdRegWP    = 1 << 1  // UFFDIO_REGISTER_MODE_WP
	ioctlAPI     = 0xc018aa3f
	ioctlReg     = 0xc020aa00
	ioctlPMScan  = 0xc0606610
	scanProtect  = 1 << 0 // PM_SCAN_WP_MATCHING
	pageWritten  = 1 << 1
	pagePresent  = 1 << 3
	pageSwapped  = 1 << 4
	scanRegions  = 1024
	regionFields = 3
)

// errNoTracking says that the kernel does not tell what is written.
var errNoTracking = errors.New("the kernel does not tell which memory is written (PAGEMAP_SCAN, Linux 6.7)")

// newTracker makes a tracker for the stopped process.
func newTracker(ctx context.Context, s *ptrace.Session) (*tracker, error) {
	there, err := s.Syscall(ctx, unix.SYS_USERFAULTFD, unix.O_CLOEXEC|unix.O_NONBLOCK|uffdUserModeOnly)
	if err != nil {
		return nil, fmt.Errorf("%w: userfaultfd: %w", errNoTracking, err)
	}
	fd, err := takeFD(s.ID().PID, int(there))
	if _, closeErr := s.Syscall(context.WithoutCancel(ctx), unix.SYS_CLOSE, there); err == nil && closeErr != nil {
		unix.Close(fd)
		err = closeErr
	}
	if err != nil {
		return nil, err
	}
	t := &tracker{fd: fd}
	api := [3]uint64{uffdAPI, uffdWPAsync | uffdWPShmem, 0}
	if err = ioctl(fd, ioctlAPI, unsafe.Pointer(&api)); err == nil {
		t.pagemap, err = os.Open(procfs.Path(s.ID().PID, "pagemap"))
	}
	if err != nil {
		t.close()
		return nil, fmt.Errorf("%w: %w", errNoTracking, err)
	}
	return t, nil
}

// takeFD returns a descriptor for what a descriptor of a process stands for.
func takeFD(pid, fd int) (int, error) {
	p, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return -1, fmt.Errorf("pidfd_open: %w", err)
	}
	defer unix.Close(p)
	own, err := unix.PidfdGetfd(p, fd, 0)
	if err != nil {
		return -1, fmt.Errorf("pidfd_getfd: %w", err)
	}
	return own, nil
}

func ioctl(fd int, req uintptr, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), req, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

func (t *tracker) close() {
	unix.Close(t.fd)
	if t.pagemap != nil {
		t.pagemap.Close()
	}
}

// add tracks a range of whole pages from now on, if the kernel can.
func (t *tracker) add(e extent) {
	reg := [4]uint64{e[0], e.size(), uffdRegWP, 0}
	if ioctl(t.fd, ioctlReg, unsafe.Pointer(&reg)) == nil {
		t.areas = append(t.areas, e)
	}
}

// pmScan is struct pm_scan_arg of include/uapi/linux/fs.h.
type pmScan struct {
	size, flags, start, end, walkEnd uint64
	vec, vecLen, maxPages            uint64
	inverted, mask, anyOf, returned  uint64
}

// written lists the pages in a range that were written since they were last
// protected, or never were. protect protects them again, page by page in the same
// moment.
func (t *tracker) written(e extent, protect bool) ([]extent, error) {
	var out []extent
	buf := make([][regionFields]uint64, scanRegions) // struct page_region: start, end, categories
	for at := e[0]; at < e[1]; {
		arg := pmScan{start: at, end: e[1], vec: uint64(uintptr(unsafe.Pointer(&buf[0]))), vecLen: scanRegions,
			mask: pageWritten, anyOf: pagePresent | pageSwapped, returned: pageWritten}
		arg.size = uint64(unsafe.Sizeof(arg))
		if protect {
			arg.flags = scanProtect
		}
		n, _, errno := unix.Syscall(unix.SYS_IOCTL, t.pagemap.Fd(), ioctlPMScan, uintptr(unsafe.Pointer(&arg)))
		runtime.KeepAlive(buf)
		if errno != 0 {
			return nil, fmt.Errorf("PAGEMAP_SCAN at %#x: %w", at, errno)
		}
		for _, r := range buf[:min(int(n), len(buf))] {
			out = append(out, extent{r[0], r[1]})
		}
		if arg.walkEnd <= at {
			return nil, fmt.Errorf("PAGEMAP_SCAN at %#x: it does not go on", at)
		}
		at = arg.walkEnd
	}
	return out, nil
}

// tracks reports whether all of a range is tracked.
func (t *tracker) tracks(e extent) bool {
	for _, a := range t.areas {
		if a.holds(e) {
			return true
		}
	}
	return false
}
