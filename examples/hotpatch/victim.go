package main

import (
	"bufio"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
)

//go:generate ./victim/build.sh

// The victim and the objects of its buggy half, without and with the fix. See
// victim/build.sh.
var (
	//go:embed victim/shop
	shopProgram []byte
	//go:embed victim/pre.o
	shopPre []byte
	//go:embed victim/post.o
	shopPost []byte
)

// shop is a running victim, with one connection to each of its threads.
type shop struct {
	cmd   *exec.Cmd
	dir   string
	conns []net.Conn
	ends  []*os.File

	sent, answered atomic.Int64
	wrong          atomic.Int64 // answers that are neither old nor new
	stop           atomic.Bool
	load           sync.WaitGroup
}

// startShop starts the victim with a number of threads.
func startShop(threads int) (_ *shop, err error) {
	s := &shop{}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.dir, err = os.MkdirTemp("", "hotpatch"); err != nil {
		return nil, err
	}
	path := filepath.Join(s.dir, "shop")
	if err := os.WriteFile(path, shopProgram, 0o755); err != nil {
		return nil, err
	}
	cmd := exec.Command(path)
	for range threads {
		ours, theirs, err := socketPair()
		if err != nil {
			return nil, err
		}
		s.ends = append(s.ends, theirs)
		conn, err := net.FileConn(ours)
		ours.Close()
		if err != nil {
			return nil, err
		}
		s.conns = append(s.conns, conn)
	}
	cmd.ExtraFiles = s.ends
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s.cmd = cmd
	return s, nil
}

// close ends the victim.
func (s *shop) close() {
	for _, c := range s.conns {
		c.Close()
	}
	for _, f := range s.ends {
		f.Close()
	}
	if s.cmd != nil {
		s.cmd.Process.Kill()
		s.cmd.Wait()
	}
	if s.dir != "" {
		os.RemoveAll(s.dir)
	}
}

// request asks for one price on a connection, and returns the answer.
func request(c io.Writer, r *bufio.Reader, item, pieces int) (string, error) {
	if _, err := fmt.Fprintf(c, "%d %d\n", item, pieces); err != nil {
		return "", err
	}
	line, err := r.ReadString('\n')
	return strings.TrimSuffix(line, "\n"), err
}

// What 12 pieces of item 1 cost, before and after the fix.
const (
	item, pieces       = 1, 12
	oldTotal, newTotal = 300, 2700
)

// busy keeps all connections but the first, which is for looking at answers,
// under load until finish.
func (s *shop) busy() {
	for _, c := range s.conns[1:] {
		s.load.Add(1)
		go func() {
			defer s.load.Done()
			r := bufio.NewReader(c)
			for !s.stop.Load() {
				s.sent.Add(1)
				line, err := request(c, r, item, pieces)
				if err != nil {
					return
				}
				s.answered.Add(1)
				if total := priceOf(line); total != oldTotal && total != newTotal {
					s.wrong.Add(1)
				}
			}
		}()
	}
}

// finish ends the load.
func (s *shop) finish() {
	s.stop.Store(true)
	s.load.Wait()
}

func priceOf(line string) int {
	var n int
	fmt.Sscanf(line, "pay %d", &n)
	return n
}

// ask returns the answer to one request on the first connection.
func (s *shop) ask() (string, error) {
	s.sent.Add(1)
	line, err := request(s.conns[0], bufio.NewReader(s.conns[0]), item, pieces)
	if err != nil {
		return "", errors.Join(errors.New("the server does not answer"), err)
	}
	s.answered.Add(1)
	return line, nil
}
