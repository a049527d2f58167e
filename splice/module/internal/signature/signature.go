// Package signature signs modules as scripts/sign-file of the kernel does.
package signature

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
)

// signatureMagic ends a file that carries a signature, behind struct
// module_signature (include/linux/module_signature.h).
const signatureMagic = "~Module signature appended~\n"

const (
	signatureHead  = 12 // sizeof(struct module_signature)
	signaturePKCS7 = 2  // PKEY_ID_PKCS7, its id_type
)

// Append returns a module with a signature behind it: PKCS#7, detached, SHA-256, without
// attributes and without the certificate. The key is of RSA or ECDSA, and belongs to the
// certificate.
func Append(module []byte, cert *x509.Certificate, key crypto.Signer) ([]byte, error) {
	sig, err := signPKCS7(module, cert, key)
	if err != nil {
		return nil, err
	}
	var head [signatureHead]byte
	head[2] = signaturePKCS7
	binary.BigEndian.PutUint32(head[8:], uint32(len(sig)))
	return slices.Concat(module, sig, head[:], []byte(signatureMagic)), nil
}

// IsSigned reports whether the file of a module ends as one with a signature does.
func IsSigned(file []byte) bool { return bytes.HasSuffix(file, []byte(signatureMagic)) }

// The identifiers of RFC 5652, RFC 5754 and RFC 5758.
var (
	oidSignedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidData       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidSHA256     = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidRSA        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidECDSA      = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2} // with SHA-256
)

// The structures of RFC 5652, sections 3 and 5, without what is optional.
type (
	contentInfo struct {
		Type    asn1.ObjectIdentifier
		Content signedData `asn1:"explicit,tag:0"`
	}
	signedData struct {
		Version int
		Digests []pkix.AlgorithmIdentifier `asn1:"set"`
		Content struct{ Type asn1.ObjectIdentifier }
		Signers []signerInfo `asn1:"set"`
	}
	signerInfo struct {
		Version int
		Signer  struct {
			Issuer asn1.RawValue
			Serial *big.Int
		}
		Digest    pkix.AlgorithmIdentifier
		Algorithm pkix.AlgorithmIdentifier
		Signature []byte
	}
)

func signPKCS7(content []byte, cert *x509.Certificate, key crypto.Signer) ([]byte, error) {
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(cert.PublicKey) {
		return nil, fmt.Errorf("the key does not belong to the certificate of %s", cert.Subject)
	}
	digest := pkix.AlgorithmIdentifier{Algorithm: oidSHA256}
	s := signerInfo{Version: 1, Digest: digest}
	switch key.Public().(type) {
	case *rsa.PublicKey:
		s.Algorithm = pkix.AlgorithmIdentifier{Algorithm: oidRSA, Parameters: asn1.NullRawValue}
	case *ecdsa.PublicKey:
		s.Algorithm = pkix.AlgorithmIdentifier{Algorithm: oidECDSA}
	default:
		return nil, fmt.Errorf("%T is no key that signs modules: RSA or ECDSA is", key.Public())
	}
	var random io.Reader = rand.Reader
	if _, ok := key.(*ecdsa.PrivateKey); ok {
		random = nil // RFC 6979
	}
	sum := sha256.Sum256(content)
	var err error
	if s.Signature, err = key.Sign(random, sum[:], crypto.SHA256); err != nil {
		return nil, err
	}
	s.Signer.Issuer, s.Signer.Serial = asn1.RawValue{FullBytes: cert.RawIssuer}, cert.SerialNumber
	info := contentInfo{Type: oidSignedData, Content: signedData{Version: 1, Digests: []pkix.AlgorithmIdentifier{digest}, Signers: []signerInfo{s}}}
	info.Content.Content.Type = oidData
	return asn1.Marshal(info)
}

// Cut returns a module and the signature behind it, nil where it has none. The error says what
// the kernel finds wrong with the description of the signature (mod_check_sig of
// kernel/module_signature.c).
func Cut(file []byte) (module, sig []byte, err error) {
	if !IsSigned(file) {
		return file, nil, nil
	}
	rest := file[:len(file)-len(signatureMagic)]
	if len(rest) < signatureHead {
		return nil, nil, errors.New("its signature is not whole")
	}
	head := rest[len(rest)-signatureHead:]
	rest = rest[:len(rest)-signatureHead]
	size := uint64(binary.BigEndian.Uint32(head[8:]))
	want := [signatureHead]byte{2: signaturePKCS7}
	switch {
	case size >= uint64(len(rest)):
		return nil, nil, errors.New("its signature is longer than the file")
	case !bytes.Equal(head[:8], want[:8]):
		return nil, nil, errors.New("its signature is none that the kernel knows")
	}
	at := len(rest) - int(size)
	return rest[:at:at], rest[at:], nil
}
