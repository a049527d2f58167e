package finding_test

import (
	"encoding/json"
	"fmt"
	"log"

	"github.com/gosplice/gosplice/elfdiff/finding"
)

// What a person has to judge is accepted by its code, for one symbol and with a reason.
func ExampleParseAcceptance() {
	accept, err := finding.ParseAcceptance("const-shared:timerfd_fops=no timer is open at that time")
	if err != nil {
		log.Fatal(err)
	}
	for _, symbol := range []string{"timerfd_fops", "eventfd_fops"} {
		f := finding.New(finding.CodeConstShared)
		f.Symbol, f.Message = symbol, "another function"
		fmt.Println(f.AcceptedBy(accept), f)
	}
	// Output:
	// true const-shared: timerfd_fops: another function [accepted: no timer is open at that time]
	// false const-shared: eventfd_fops: another function
}

// Findings and refusals come back from JSON.
func ExampleRefusal() {
	text, err := json.Marshal(finding.Refuse(finding.CodeTLSChanged, "counter", ".tbss", 8, "it is new"))
	if err != nil {
		log.Fatal(err)
	}
	var r finding.Refusal
	if err := json.Unmarshal(text, &r); err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.Severity, r.Code, r.Symbol, r.Section, r.Offset)
	// Output: refused tls-changed counter .tbss 8
}
