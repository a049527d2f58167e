package fixes_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/process/machine"
	"github.com/gosplice/gosplice/splice/process/machine/fixes"
)

// Check says of each process which fixes of an update it runs.
func ExampleCheck() {
	empty := fixes.Source{Name: "fix.json", Update: &splice.Update{Format: splice.UpdateFormat}}
	_, err := fixes.Check(context.Background(), machine.Options{}, empty)
	fmt.Println(errors.Is(err, splice.CodeNothing))
	// Output: true
}
