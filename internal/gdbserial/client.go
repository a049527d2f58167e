package gdbserial

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Timeout is how long an answer may take.
const Timeout = 20 * time.Second

// An Error is the refusal of the stub, such as of memory that is not mapped.
type Error struct {
	Request string // the beginning of it
	Reply   string // "E14" and the like; "" when the stub does not know the request
}

// Error returns the error on one line.
func (e *Error) Error() string {
	if e.Reply == "" {
		return fmt.Sprintf("gdb stub does not support %q", e.Request)
	}
	return fmt.Sprintf("gdb stub refuses %q: %s", e.Request, e.Reply)
}

// A Client is a connection with a stub. What is debugged stands still as long as
// it is open. Its methods may be called at the same time; they wait for each
// other.
type Client struct {
	ctx  context.Context
	stop func() bool

	mu     sync.Mutex
	conn   net.Conn
	in     *bufio.Reader
	noAck  bool
	packet int   // content that the stub takes, bytes
	err    error // the connection is of no use any more
	buf    []byte
}

// Dial connects to a stub: "unix:PATH", "tcp:HOST:PORT" or "HOST:PORT", as QEMU's
// option -gdb has it. The connection lasts until ctx is done or it is closed.
func Dial(ctx context.Context, address string) (*Client, error) {
	network, where := "tcp", address
	if rest, ok := strings.CutPrefix(address, "unix:"); ok {
		network, where = "unix", rest
	} else if rest, ok := strings.CutPrefix(address, "tcp:"); ok {
		where = rest
	}
	where, _, _ = strings.Cut(where, ",") // options of QEMU's
	if strings.HasPrefix(where, ":") {
		where = "localhost" + where
	}
	d := net.Dialer{Timeout: Timeout}
	conn, err := d.DialContext(ctx, network, where)
	if err != nil {
		return nil, err
	}
	c, err := NewClient(ctx, conn)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	return c, nil
}

// NewClient begins to talk with a stub. It closes the connection when that fails.
func NewClient(ctx context.Context, conn net.Conn) (*Client, error) {
	c := &Client{ctx: ctx, conn: conn, in: bufio.NewReaderSize(conn, 32<<10), packet: 400}
	c.stop = context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	if err := c.greet(); err != nil {
		c.stop()
		conn.Close()
		return nil, err
	}
	return c, nil
}

func (c *Client) greet() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	features, err := c.exchange("qSupported:swbreak+")
	if err != nil && !isRefusal(err) {
		return err
	}
	for f := range strings.SplitSeq(string(features), ";") {
		if size, ok := strings.CutPrefix(f, "PacketSize="); ok {
			n, err := strconv.ParseUint(size, 16, 32)
			if err != nil || n < 64 {
				return fmt.Errorf("%w: %q", ErrProtocol, f)
			}
			c.packet = int(min(n, MaxPacket))
		}
		if f == "QStartNoAckMode+" {
			if r, err := c.exchange("QStartNoAckMode"); err == nil && string(r) == "OK" {
				c.noAck = true
			} else if err != nil && !isRefusal(err) {
				return err
			}
		}
	}
	return nil
}

// isStop reports whether a packet says that what is debugged stands still. QEMU
// says so unasked when a debugger comes.
func isStop(b []byte) bool {
	if len(b) < 3 || b[0] != 'T' && b[0] != 'S' {
		return false
	}
	_, ok := unhex(b[1])
	_, ok2 := unhex(b[2])
	return ok && ok2
}

// maxStops bounds the packets that tell of stops and come before a reply.
const maxStops = 16

func isRefusal(err error) bool { return errors.As(err, new(*Error)) }

// exchange sends a request and returns the reply, which is valid until the next
// one.
func (c *Client) exchange(request string) ([]byte, error) {
	if err := c.send(request); err != nil {
		return nil, err
	}
	b, err := c.receive()
	for i := 0; err == nil && isStop(b) && i < maxStops; i++ {
		b, err = c.receive()
	}
	if err != nil {
		return nil, err
	}
	if len(b) == 0 || b[0] == 'E' && len(b) == 3 {
		return nil, &Error{Request: request[:min(len(request), 40)], Reply: string(b)}
	}
	return b, nil
}

// broken notes that nothing more can be understood on this connection.
func (c *Client) broken(err error) error {
	if cause := context.Cause(c.ctx); cause != nil {
		err = cause
	}
	c.err = fmt.Errorf("gdb stub: %w", err)
	return c.err
}

func (c *Client) deadline(d time.Duration) error {
	if c.err != nil {
		return c.err
	}
	if err := c.conn.SetDeadline(time.Now().Add(d)); err != nil {
		return c.broken(err)
	}
	if c.ctx.Err() != nil { // the deadline of AfterFunc is gone
		return c.broken(c.ctx.Err())
	}
	return nil
}

func (c *Client) send(request string) error {
	if err := c.deadline(Timeout); err != nil {
		return err
	}
	c.buf = appendPacket(c.buf[:0], request)
	if _, err := c.conn.Write(c.buf); err != nil {
		return c.broken(err)
	}
	return nil
}

// receive reads one packet. One that arrives damaged is asked for again while
// there are acknowledgements.
func (c *Client) receive() ([]byte, error) {
	const tries = 5
	for i := 0; ; i++ {
		b, err := readPacket(c.in)
		switch {
		case err == nil && c.noAck:
			return b, nil
		case err == nil:
			if _, err := c.conn.Write([]byte{'+'}); err != nil {
				return nil, c.broken(err)
			}
			return b, nil
		case !errors.Is(err, errChecksum) || c.noAck || i == tries:
			return nil, c.broken(err)
		}
		if _, err := c.conn.Write([]byte{'-'}); err != nil {
			return nil, c.broken(err)
		}
	}
}

// ReadMemory fills p with the memory at a virtual address of the current
// processor, and returns how many bytes it got: fewer only with an error.
func (c *Client) ReadMemory(p []byte, addr uint64) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	most := c.packet/2 - 8
	for n := 0; n < len(p); {
		ask := min(most, len(p)-n)
		b, err := c.exchange(fmt.Sprintf("m%x,%x", addr+uint64(n), ask))
		if err != nil {
			return n, err
		}
		if len(b)%2 != 0 || len(b) > 2*ask {
			return n, c.broken(fmt.Errorf("%w: %d digits for %d bytes", ErrProtocol, len(b), ask))
		}
		got, err := hex.Decode(p[n:], b)
		if err != nil {
			return n, c.broken(fmt.Errorf("%w: %w", ErrProtocol, err))
		}
		n += got
	}
	return len(p), nil
}

// Threads returns the names of the threads, which of a machine are its
// processors.
func (c *Client) Threads() ([]string, error) {
	const most = 1 << 12
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for request := "qfThreadInfo"; ; request = "qsThreadInfo" {
		b, err := c.exchange(request)
		if err != nil {
			return nil, err
		}
		list, more := strings.CutPrefix(string(b), "m")
		if !more {
			return out, nil
		}
		for id := range strings.SplitSeq(list, ",") {
			out = append(out, id)
		}
		if len(out) > most {
			return nil, c.broken(fmt.Errorf("%w: more than %d threads", ErrProtocol, most))
		}
	}
}

// Select makes a thread the one whose memory is read.
func (c *Client) Select(thread string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.exchange("Hg" + thread)
	return err
}

// Resume lets what is debugged run for a while.
func (c *Client) Resume(d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.send("c"); err != nil {
		return err
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.ctx.Done():
		return c.broken(c.ctx.Err())
	}
	if err := c.deadline(Timeout); err != nil {
		return err
	}
	if _, err := c.conn.Write([]byte{3}); err != nil { // the key that interrupts
		return c.broken(err)
	}
	for range maxStops {
		b, err := c.receive()
		if err != nil || isStop(b) {
			return err
		}
	}
	return c.broken(fmt.Errorf("%w: no stop after an interrupt", ErrProtocol))
}

// Close lets go of what is debugged, which runs on.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stop()
	if errors.Is(c.err, net.ErrClosed) {
		return nil
	}
	// Also when nothing can be understood any more, so that it may run on.
	if err := c.conn.SetDeadline(time.Now().Add(time.Second)); err == nil {
		if _, err := c.conn.Write(appendPacket(nil, "D")); err == nil && c.err == nil {
			_, _ = readPacket(c.in)
		}
	}
	c.err = net.ErrClosed
	return c.conn.Close()
}
