package store

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"

	"github.com/smallstep/pkcs7"

	"github.com/gosplice/gosplice/splice/module/internal/signature"
)

// signer returns the name of the accepted key that signed an update, "" where the policy does
// without. beside is the signature that stands beside the file, nil where it has one inside or
// none.
func (p *Policy) signer(name string, file, beside []byte) (string, error) {
	content, sig := file, beside
	if sig == nil {
		var err error
		if content, sig, err = signature.Cut(file); err != nil {
			return "", refuseBy(err, CodeNotAccepted, name, "its signature can't be read")
		}
	}
	if sig == nil {
		if p.Signatures == Optional {
			return "", nil
		}
		return "", refuse(CodeUnsigned, name, "it has no signature, and the policy wants one")
	}
	key, err := p.verify(content, sig)
	if err == nil {
		return key, nil
	}
	if p.Signatures == Optional && beside == nil { // such as that of the kernel's maker
		return "", nil
	}
	return "", refuseBy(err, CodeNotAccepted, name, "none of %d accepted keys made its signature", len(p.Keys))
}

// digests are those that are accepted, of RFC 5754.
var digests = []asn1.ObjectIdentifier{pkcs7.OIDDigestAlgorithmSHA256, pkcs7.OIDDigestAlgorithmSHA384, pkcs7.OIDDigestAlgorithmSHA512}

// verify returns the name of the key that made a signature.
func (p *Policy) verify(content, sig []byte) (string, error) {
	if len(sig) > maxSignature {
		return "", fmt.Errorf("the signature has %d bytes, more than %d", len(sig), maxSignature)
	}
	if len(p.Keys) == 0 {
		return "", errors.New("the policy accepts no key")
	}
	m, err := pkcs7.Parse(sig)
	switch {
	case err != nil:
		return "", err
	case len(m.Content) > 0:
		return "", errors.New("the signature has a content of its own")
	case len(m.Signers) != 1:
		return "", fmt.Errorf("it has %d signers, and not one", len(m.Signers))
	}
	digest := m.Signers[0].DigestAlgorithm.Algorithm
	if !slices.ContainsFunc(digests, digest.Equal) {
		return "", fmt.Errorf("its digest %s is not SHA-256 or longer", digest)
	}
	m.Content = content
	var wrong []error
	for i := range p.Keys {
		cert, err := p.Keys[i].parse()
		if err != nil {
			return "", err
		}
		m.Certificates = []*x509.Certificate{cert} // and none that it brings along
		if err = m.Verify(); err == nil {
			return p.Keys[i].Name, nil
		}
		wrong = append(wrong, fmt.Errorf("key %s: %w", p.Keys[i].Name, err))
	}
	return "", errors.Join(wrong...)
}
