//go:build linux && amd64

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

var errArguments = errors.New("arguments are missing")

func (p *prober) read(args []value) (string, error) {
	if len(args) < 1 {
		return "", errArguments
	}
	b, err := os.ReadFile(args[0].word)
	return string(b), err
}

// write writes in one system call.
func (p *prober) write(args []value) (string, error) {
	if len(args) < 2 {
		return "", errArguments
	}
	f, err := os.OpenFile(args[0].word, os.O_WRONLY, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	n, err := unix.Write(int(f.Fd()), []byte(args[1].word))
	return fmt.Sprintf("write %s = %d", args[0].word, n), err
}

func (p *prober) list(args []value) (string, error) {
	if len(args) < 1 {
		return "", errArguments
	}
	entries, err := os.ReadDir(args[0].word)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, "\n"), err
}

func (p *prober) sleep(args []value) (string, error) {
	if len(args) < 1 {
		return "", errArguments
	}
	time.Sleep(time.Duration(args[0].number) * time.Millisecond)
	return "", nil
}

// mark writes into the kernel log that a run begins. The kernel must not leave it out
// because there are many. A record without a line feed is not shown before the next one.
func (p *prober) mark() error {
	if err := os.WriteFile("/proc/sys/kernel/printk_devkmsg", []byte("on\n"), 0); err != nil && !errors.Is(err, unix.EINVAL) {
		return err // what the command line says can't be changed
	}
	f, err := os.OpenFile("/dev/kmsg", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = fmt.Fprintf(f, "<6>%s begins\n", p.name)
	return err
}

const readAll = 3 // SYSLOG_ACTION_READ_ALL

// log counts the lines of the kernel log that hold a text, since the last run of this
// name began, or since the first.
func (p *prober) log(args []value, first bool) (string, error) {
	if len(args) < 1 {
		return "", errArguments
	}
	b := make([]byte, 1<<20)
	n, err := unix.Klogctl(readAll, b)
	if err != nil {
		return "", err
	}
	all, mark := string(b[:n]), p.name+" begins"
	at := strings.LastIndex(all, mark)
	if first {
		at = strings.Index(all, mark)
	}
	count := 0
	for _, line := range strings.Split(all[max(at, 0):], "\n") {
		if strings.Contains(line, args[0].word) {
			count++
		}
	}
	return fmt.Sprintf("%q = %d", args[0].word, count), nil
}

// up sets an interface up, by struct ifreq: a name of 16 bytes and flags.
func (p *prober) up(args []value) (string, error) {
	if len(args) < 1 {
		return "", errArguments
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	var req [40]byte
	copy(req[:15], args[0].word)
	binary.LittleEndian.PutUint16(req[16:], unix.IFF_UP|unix.IFF_RUNNING)
	_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&req)))
	if e != 0 {
		return "", e
	}
	return "up " + args[0].word + " = 0", nil
}

// attr appends an attribute of netlink.
func attr(b []byte, kind uint16, data []byte) []byte {
	b = binary.LittleEndian.AppendUint16(b, uint16(4+len(data)))
	b = binary.LittleEndian.AppendUint16(b, kind)
	b = append(b, data...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

const vlanID = 1 // IFLA_VLAN_ID

// link makes an interface by RTM_NEWLINK.
func (p *prober) link(args []value) (string, error) {
	if len(args) < 2 {
		return "", errArguments
	}
	info := attr(nil, unix.IFLA_INFO_KIND, []byte(args[1].word))
	body := attr(make([]byte, 16), unix.IFLA_IFNAME, append([]byte(args[0].word), 0))
	if len(args) > 3 {
		parent, err := os.ReadFile("/sys/class/net/" + args[2].word + "/ifindex")
		if err != nil {
			return "", err
		}
		var index uint32
		fmt.Sscan(string(parent), &index)
		body = attr(body, unix.IFLA_LINK, binary.LittleEndian.AppendUint32(nil, index))
		info = attr(info, unix.IFLA_INFO_DATA, attr(nil, vlanID, binary.LittleEndian.AppendUint16(nil, uint16(args[3].number))))
	}
	body = attr(body, unix.IFLA_LINKINFO, info)
	err := netlink(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, body)
	return "link " + args[0].word + " = 0", err
}

// netlink sends one message of rtnetlink, and returns what the kernel answers.
func netlink(kind, flags uint16, body []byte) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	m := binary.LittleEndian.AppendUint32(nil, uint32(16+len(body)))
	m = binary.LittleEndian.AppendUint16(m, kind)
	m = binary.LittleEndian.AppendUint16(m, flags|unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	m = append(binary.LittleEndian.AppendUint64(m, 1), body...)
	if err := unix.Sendto(fd, m, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil || n < 20 {
		return err
	}
	if no := int32(binary.LittleEndian.Uint32(answer[16:])); no < 0 {
		return unix.Errno(-no)
	}
	return nil
}
