package procfs

import "encoding/binary"

// An ExecEvent says that a process has executed a program.
type ExecEvent struct{ PID int }

// Sizes and constants of the process events connector: include/uapi/linux/netlink.h, connector.h
// and cn_proc.h of the kernel.
const (
	nlHeader     = 16 // struct nlmsghdr
	cnHeader     = 20 // struct cn_msg
	procHeader   = 16 // struct proc_event up to its union
	execBody     = 8  // process_pid, process_tgid
	cnIdxProc    = 1
	cnValProc    = 1
	procExec     = 0x2
	procListen   = 1 // PROC_CN_MCAST_LISTEN
	nlDone       = 3 // NLMSG_DONE
	nlAlign      = 4
	connectorMax = 1 << 16
)

// parseExecEvents returns the executions among the messages of one datagram of the connector. What
// is cut short, or of another kind, is left out.
func parseExecEvents(b []byte) (list []ExecEvent) {
	for len(b) >= nlHeader {
		n := int(binary.NativeEndian.Uint32(b))
		if n < nlHeader || n > len(b) {
			break
		}
		if e, ok := parseExecEvent(b[nlHeader:n]); ok {
			list = append(list, e)
		}
		b = b[min(len(b), (n+nlAlign-1)&^(nlAlign-1)):]
	}
	return list
}

func parseExecEvent(b []byte) (e ExecEvent, ok bool) {
	if len(b) < cnHeader+procHeader+execBody {
		return e, false
	}
	u32 := func(off int) uint32 { return binary.NativeEndian.Uint32(b[off:]) }
	if u32(0) != cnIdxProc || u32(4) != cnValProc || u32(cnHeader) != procExec {
		return e, false
	}
	e.PID = int(int32(u32(cnHeader + procHeader + 4)))
	return e, e.PID > 0
}

// listenMessage asks the connector for its events.
func listenMessage() []byte {
	b := make([]byte, nlHeader+cnHeader+4)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], nlDone)
	binary.NativeEndian.PutUint32(b[nlHeader:], cnIdxProc)
	binary.NativeEndian.PutUint32(b[nlHeader+4:], cnValProc)
	binary.NativeEndian.PutUint16(b[nlHeader+16:], 4)
	binary.NativeEndian.PutUint32(b[nlHeader+cnHeader:], procListen)
	return b
}
