// Operator does with the running kernel what its first argument says (apply FILE, revert ID,
// status), and prints the reports as JSON.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/module/running"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	list, err := do(ctx, &running.Kernel{}, os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	json.NewEncoder(os.Stdout).Encode(list)
}

func do(ctx context.Context, k splice.Target[*module.Module], args []string) ([]splice.Report, error) {
	var r *splice.Report
	var err error
	switch args[0] {
	case "status":
		return k.Status(ctx)
	case "apply":
		f, err := os.Open(args[1])
		if err != nil {
			return nil, err
		}
		m, err := module.Read(f)
		if err != nil {
			return nil, err
		}
		r, err = k.Apply(ctx, m)
		if err != nil {
			return nil, err
		}
	default:
		if r, err = k.Revert(ctx, args[1]); err != nil {
			return nil, err
		}
	}
	return []splice.Report{*r}, nil
}
