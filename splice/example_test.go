package splice_test

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/splice"
)

// A stored update is checked when it is read: that it is whole, not that its code is good.
func ExampleReadUpdate() {
	update := &splice.Update{Format: splice.UpdateFormat, Name: "discount", Modules: []splice.Module{}, Objects: []splice.Object{}}
	var file bytes.Buffer
	if _, err := update.WriteTo(&file); err != nil {
		log.Fatal(err)
	}
	damaged := strings.Replace(file.String(), "discount", "surcharge", 1)

	back, err := splice.ReadUpdate(&file)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(back.Name, back.ID() == update.ID())
	_, err = splice.ReadUpdate(strings.NewReader(damaged))
	fmt.Println(errors.Is(err, splice.ErrUpdateDamaged))
	// Output:
	// discount true
	// true
}

// One question is enough for what any package refuses.
func ExampleRefuse() {
	err := fmt.Errorf("build fix: %w", splice.Refuse(splice.CodeTooShort, "tiny", "shop", 0x4010, "it has 3 bytes"))
	if errors.Is(err, splice.ErrRefused) {
		for _, r := range finding.Refusals(err) {
			fmt.Println(r)
			fmt.Println("hint:", r.Hint)
		}
	}
	// Output:
	// refused (too-short): tiny: it has 3 bytes (shop, 0x4010)
	// hint: change a caller instead, or make the function larger in a later release
}
