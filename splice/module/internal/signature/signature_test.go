package signature

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

func certify(t *testing.T, key crypto.Signer) *x509.Certificate {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(77), Subject: pkix.Name{CommonName: "gosplice test", Organization: []string{"gosplice"}},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0), SignatureAlgorithm: x509.UnknownSignatureAlgorithm,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestAppend compares signatures with those of openssl, made as scripts/sign-file
// does it, and has openssl verify them.
func TestAppend(t *testing.T) {
	testenv.Need(t, "openssl")
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	m := []byte("not really a module")
	for name, key := range map[string]crypto.Signer{"RSA": r, "ECDSA": e} {
		t.Run(name, func(t *testing.T) { testSign(t, m, key, name == "RSA") })
	}
	if _, err := Append(m, certify(t, e), r); err == nil {
		t.Error("a key of another certificate was accepted")
	}
}

func testSign(t *testing.T, m []byte, key crypto.Signer, same bool) {
	cert := certify(t, key)
	signed, err := Append(m, cert, key)
	if err != nil {
		t.Fatal(err)
	}
	if back, sig, err := Cut(signed); err != nil || !bytes.Equal(back, m) || len(sig) == 0 {
		t.Errorf("cut off again: %q, %d bytes, %v", back, len(sig), err)
	}
	for i := len(signed) - len(signatureMagic) - signatureHead; i < len(signed); i++ {
		x := bytes.Clone(signed)
		x[i] ^= 1
		if back, _, err := Cut(x); err == nil && bytes.Equal(back, m) {
			t.Errorf("byte %d of what describes the signature is damaged, and it was cut off", i)
		}
	}
	again, err := Append(m, cert, key)
	if err != nil || !bytes.Equal(again, signed) {
		t.Errorf("signed again, it is another file: %v", err)
	}
	b, ok := bytes.CutSuffix(signed, []byte(signatureMagic))
	if !ok || !bytes.HasPrefix(b, m) {
		t.Fatal("no signature behind the module")
	}
	sig := b[len(m) : len(b)-signatureHead]
	if n := b[len(b)-1]; int(b[len(b)-2])<<8|int(n) != len(sig) {
		t.Errorf("the size of the signature is not %d", len(sig))
	}
	dir := t.TempDir()
	put := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	keyFile := put("key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	certFile := put("cert", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
	content, mine, theirs := put("content", m), put("mine", sig), filepath.Join(dir, "theirs")
	for _, args := range [][]string{
		{"cms", "-sign", "-binary", "-noattr", "-nocerts", "-md", "sha256", "-outform", "DER", "-in", content, "-signer", certFile, "-inkey", keyFile, "-out", theirs},
		{"cms", "-verify", "-binary", "-inform", "DER", "-in", mine, "-content", content, "-certfile", certFile, "-CAfile", certFile, "-purpose", "any", "-out", "/dev/null"},
	} {
		if said, err := exec.CommandContext(t.Context(), "openssl", args...).CombinedOutput(); err != nil {
			t.Errorf("openssl %s: %v: %s", args[1], err, said)
		}
	}
	if want, err := os.ReadFile(theirs); err != nil || same && !bytes.Equal(want, sig) {
		t.Errorf("openssl makes another signature: %x, want %x (%v)", sig, want, err)
	}
}
