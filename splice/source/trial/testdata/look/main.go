// Command look says whether a file holds a text.
package main

import (
	"fmt"
	"os"
	"strings"
)

func main() {
	b, err := os.ReadFile(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	there, expected := strings.Contains(string(b), os.Args[2]), os.Getenv("GOSPLICE_PHASE") == "patched"
	fmt.Println(map[bool]string{true: "yes", false: "no"}[there])
	if there != expected && os.Args[2] != "" {
		os.Exit(2)
	}
}
