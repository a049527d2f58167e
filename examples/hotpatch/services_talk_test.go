//go:build linux && amd64

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"time"
)

// shell is a session of ssh that echoes lines; the first user makes a new one for each request.
type shell struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	said bytes.Buffer
	n    int
	at   int
}

func sshUser(_ context.Context, n int) (user, error) { return &shell{n: n}, nil }

func (s *shell) open() error {
	s.cmd = exec.Command("ssh", "-F", "none", "-q", "-T", "-i", sshKey, "-p", "18022", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes", "root@127.0.0.1", "cat")
	s.said.Reset()
	s.cmd.Stderr = &s.said
	var err error
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	s.out = bufio.NewReader(out)
	return s.cmd.Start()
}

func (s *shell) ask(ctx context.Context) error {
	if s.cmd == nil {
		if err := s.open(); err != nil {
			return err
		}
	}
	s.at++
	line := fmt.Sprintf("%d %d %s\n", s.n, s.at, strings.Repeat("x", s.at%3000))
	stop := context.AfterFunc(ctx, func() { s.cmd.Process.Kill() })
	defer stop()
	limit := time.AfterFunc(60*time.Second, func() { s.cmd.Process.Kill() })
	defer limit.Stop()
	if _, err := io.WriteString(s.in, line); err != nil {
		return s.lost(err)
	}
	got, err := s.out.ReadString('\n')
	if err != nil {
		return s.lost(err)
	}
	if got != line {
		return fmt.Errorf("%w: %q and not %q", errWrong, got, line)
	}
	if s.n%2 == 0 {
		s.in.Close()
		if err := s.cmd.Wait(); err != nil {
			s.cmd = nil
			return err
		}
		s.cmd = nil
	}
	return nil
}

func (s *shell) lost(err error) error {
	s.close()
	return fmt.Errorf("%w: %s", err, s.said.Bytes())
}

func (s *shell) close() {
	if s.cmd != nil {
		s.cmd.Process.Kill()
		s.cmd.Wait()
		s.cmd = nil
	}
}

var sshKey string

// pg speaks the protocol of PostgreSQL, as far as simple queries.
type pg struct {
	conn net.Conn
	in   *bufio.Reader
	n    int
	at   int
}

func pgUser(ctx context.Context, n int) (user, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", "127.0.0.1:18432")
	if err != nil {
		return nil, err
	}
	p := &pg{conn: conn, in: bufio.NewReader(conn), n: n}
	hello := "\x00\x03\x00\x00user\x00postgres\x00database\x00postgres\x00\x00"
	if err = p.send(0, hello); err == nil {
		_, err = p.answer()
	}
	if err == nil {
		_, err = p.query(fmt.Sprintf("create table if not exists t%d (k int primary key, v text)", n))
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return p, nil
}

func (p *pg) send(kind byte, body string) error {
	var b []byte
	if kind != 0 {
		b = append(b, kind)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)+4))
	_, err := p.conn.Write(append(b, body...))
	return err
}

// answer reads until the server is ready: the last column of the last row.
func (p *pg) answer() (string, error) {
	value := ""
	for {
		p.conn.SetReadDeadline(time.Now().Add(60 * time.Second))
		head := make([]byte, 5)
		if _, err := io.ReadFull(p.in, head); err != nil {
			return "", err
		}
		body := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
		if _, err := io.ReadFull(p.in, body); err != nil {
			return "", err
		}
		switch head[0] {
		case 'D':
			if len(body) >= 6 {
				value = string(body[6:])
			}
		case 'E':
			return "", fmt.Errorf("%w: %q", errWrong, body)
		case 'Z':
			return value, nil
		}
	}
}

func (p *pg) query(q string) (string, error) {
	if err := p.send('Q', q+"\x00"); err != nil {
		return "", err
	}
	return p.answer()
}

func (p *pg) ask(context.Context) error {
	p.at++
	q := fmt.Sprintf("insert into t%d values (%d, 'v%d') on conflict (k) do update set v = excluded.v; select k * 2 || v from t%d where k = %d", p.n, p.at%100, p.at, p.n, p.at%100)
	got, err := p.query(q)
	if want := fmt.Sprintf("%dv%d", p.at%100*2, p.at); err == nil && got != want {
		err = fmt.Errorf("%w: %q and not %q", errWrong, got, want)
	}
	if err == nil && p.at%200 == 0 { // another backend
		p.send('X', "")
		p.conn.Close()
		u, err := pgUser(context.Background(), p.n)
		if err != nil {
			return err
		}
		at := p.at
		*p = *u.(*pg)
		p.at = at
	}
	return err
}

func (p *pg) close() { p.conn.Close() }
