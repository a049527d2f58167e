//go:build linux && amd64

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

var errWrong = errors.New("wrong answer")

func isWrong(err error) bool { return errors.Is(err, errWrong) }

// services are those that TestServices knows.
var services = []*service{
	{name: "haproxy", users: 8, client: webUser("http://127.0.0.1:18080", ""), start: `cat > /tmp/haproxy.cfg <<'X'
global
	nbthread 4
	maxconn 500
defaults
	mode http
	timeout client 60s
	timeout server 60s
	timeout connect 10s
frontend f
	bind 127.0.0.1:18080
	default_backend b
backend b
	server one 127.0.0.1:18081
X
exec haproxy -W -f /tmp/haproxy.cfg`},
	{name: "nghttpx", users: 8, client: webUser("http://127.0.0.1:18082", ""), start: `exec nghttpx -f'127.0.0.1,18082;no-tls' -b'127.0.0.1,18081' --workers=2 -L WARN`},
	{name: "squid", users: 8, client: webUser("http://127.0.0.1:18081", "http://127.0.0.1:18083"), start: `cat > /tmp/squid.conf <<'X'
http_port 127.0.0.1:18083
http_access allow all
pid_filename /tmp/squid.pid
cache deny all
access_log none
cache_log /tmp/squid.log
coredump_dir /tmp
visible_hostname test
X
exec squid -N -f /tmp/squid.conf`},
	{name: "python3", users: 4, client: pythonUser, start: `exec python3 -c '
import http.server, xml.etree.ElementTree as E
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        t = E.fromstring(body)
        out = ("%d %s" % (sum(int(x.get("n")) for x in t.iter("item")), t.findtext("name"))).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(out)))
        self.end_headers()
        self.wfile.write(out)
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(("127.0.0.1", 18084), H).serve_forever()
'`},
	{name: "sshd", users: 4, comes: true, client: sshUser, start: `mkdir -p /run/sshd /root/.ssh; [ -f /root/.ssh/id ] || ssh-keygen -q -t ed25519 -N "" -f /root/.ssh/id; cp /root/.ssh/id.pub /root/.ssh/authorized_keys
exec /usr/sbin/sshd -D -e -p 18022 -o ListenAddress=127.0.0.1 -o StrictModes=no -o PermitRootLogin=yes -o MaxStartups=100 -o UsePAM=no`},
	{name: "postgres", users: 6, client: pgUser, start: `D=/tmp/pg; B=/usr/lib/postgresql/15/bin; [ -d $D ] || (mkdir $D; chown postgres $D; su postgres -c "$B/initdb -A trust -D $D >/dev/null"); exec su postgres -c "exec $B/postgres -D $D -p 18432 -k /tmp"`},
}

// backend answers each request with its path.
func backend(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:18081")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "you asked for %s", r.URL.Path) })}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
}

// web asks a web server through what is tested.
type web struct {
	client *http.Client
	base   string
	n, at  int
}

func webUser(base, proxy string) func(context.Context, int) (user, error) {
	return func(_ context.Context, n int) (user, error) {
		tr := &http.Transport{MaxIdleConnsPerHost: 1}
		if proxy != "" {
			u, err := url.Parse(proxy)
			if err != nil {
				return nil, err
			}
			tr.Proxy = http.ProxyURL(u)
		}
		return &web{client: &http.Client{Transport: tr, Timeout: 30 * time.Second}, base: base, n: n}, nil
	}
}

func (w *web) ask(ctx context.Context) error {
	w.at++
	path := fmt.Sprintf("/%d/%d", w.n, w.at)
	if w.at%50 == 0 { // a new connection now and then
		w.client.CloseIdleConnections()
	}
	return exchange(ctx, w.client, "GET", w.base+path, "", "you asked for "+path)
}

// exchange sends a request, and compares the answer.
func exchange(ctx context.Context, c *http.Client, method, target, body, want string) error {
	r, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	if err != nil {
		return err
	}
	a, err := c.Do(r)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	got, err := io.ReadAll(a.Body)
	if err == nil && (a.StatusCode != 200 || string(got) != want) {
		err = fmt.Errorf("%w: %s, %q and not %q", errWrong, a.Status, got, want)
	}
	return err
}

func (w *web) close() { w.client.CloseIdleConnections() }

// python asks a server in Python that parses XML.
type python struct{ web }

func pythonUser(ctx context.Context, n int) (user, error) {
	w, err := webUser("http://127.0.0.1:18084", "")(ctx, n)
	if err != nil {
		return nil, err
	}
	return &python{*w.(*web)}, nil
}

func (p *python) ask(ctx context.Context) error {
	p.at++
	var b strings.Builder
	fmt.Fprintf(&b, `<?xml version="1.0"?><!DOCTYPE d [<!ENTITY who "user %d"><!ATTLIST item kind CDATA "k">]><d><name>&who;</name>`, p.n)
	sum := 0
	for i := range 20 + p.at%200 {
		fmt.Fprintf(&b, `<item n="%d"><sub xmlns:a="urn:%d" a:x="y">text &lt; %d</sub></item>`, i*p.n+p.at, i%7, i)
		sum += i*p.n + p.at
	}
	b.WriteString("</d>")
	return exchange(ctx, p.client, "POST", p.base, b.String(), fmt.Sprintf("%d user %d", sum, p.n))
}
