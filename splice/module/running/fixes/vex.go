package fixes

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"
)

// VEX says what is in an OpenVEX document beside the statements.
type VEX struct {
	// Author is who says it: a person or an organisation.
	Author string
	// Product is the package URL of the kernel, such as pkg:deb/debian/linux@6.1.170-3; by its
	// build-id when it is "".
	Product string
	// ID is the IRI of the document; made of what it says when it is "".
	ID string
	// Time is when the memory was looked at.
	Time time.Time
}

// The form of OpenVEX 0.2.0 (github.com/openvex/spec, OPENVEX-SPEC.md and
// openvex_json_schema.json). Its own library would bring parsers of SARIF, YAML and protobuf
// along.
type (
	vexDocument struct {
		Context    string         `json:"@context"`
		ID         string         `json:"@id"`
		Author     string         `json:"author"`
		Timestamp  string         `json:"timestamp"`
		Version    int            `json:"version"`
		Tooling    string         `json:"tooling"`
		Statements []vexStatement `json:"statements"`
	}
	vexStatement struct {
		Vulnerability vexName      `json:"vulnerability"`
		Products      []vexProduct `json:"products"`
		Status        string       `json:"status"`
		Notes         string       `json:"status_notes"`
		Action        string       `json:"action_statement,omitempty"` // of affected
	}
	vexName struct {
		Name string `json:"name"`
	}
	vexProduct struct {
		ID          string         `json:"@id"`
		Identifiers vexIdentifiers `json:"identifiers"`
	}
	vexIdentifiers struct {
		PURL string `json:"purl"`
	}
)

const (
	vexContext = "https://openvex.dev/ns/v0.2.0"
	vexTooling = "gosplice"
)

// vexStatuses have the words of OpenVEX for states.
var vexStatuses = map[State]string{Fixed: "fixed", NotFixed: "affected", Undecided: "under_investigation"}

// OpenVEX writes the report as an OpenVEX document of version 0.2.0: the fixes are its
// vulnerabilities, the kernel with its build-id is the product. A fix that is undecided is under
// investigation. The same report and options give the same bytes.
func (r *Report) OpenVEX(w io.Writer, opt VEX) error {
	if len(r.Fixes) == 0 {
		return errors.New("OpenVEX: a document has at least one statement, and there is no fix")
	}
	if opt.Author == "" || opt.Time.IsZero() {
		return errors.New("OpenVEX: a document has an author and a time")
	}
	product := cmp.Or(opt.Product, "pkg:generic/linux?build_id="+url.QueryEscape(r.Kernel))
	if !strings.HasPrefix(product, "pkg:") {
		return fmt.Errorf("OpenVEX: %.80q is no package URL", product)
	}
	d := vexDocument{Context: vexContext, ID: opt.ID, Author: opt.Author, Timestamp: opt.Time.UTC().Format(time.RFC3339), Version: 1, Tooling: vexTooling}
	for i := range r.Fixes {
		f := &r.Fixes[i]
		if f.Name == "" { // for who reads it, a statement about everything
			return errors.New("OpenVEX: a vulnerability has a name, and a fix has none")
		}
		s := vexStatement{
			Vulnerability: vexName{f.Name}, Products: []vexProduct{{product, vexIdentifiers{product}}},
			Status: vexStatuses[f.State], Notes: "in the memory of the kernel: " + f.Why,
		}
		if f.State == NotFixed {
			s.Action = "Load an update that has the fix: " + strings.Join(f.Updates, ", ")
		}
		d.Statements = append(d.Statements, s)
	}
	if d.ID == "" {
		text, err := json.Marshal(d)
		if err != nil {
			return err
		}
		d.ID = fmt.Sprintf("urn:gosplice:vex:%x", sha256.Sum256(text))
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(d)
}
