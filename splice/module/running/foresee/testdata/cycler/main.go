// Cycler loads livepatches by package running, again and again. It takes what to do, how often, and
// the files: "cycle" loads each, disables and unloads it; "replace" loads one after the other, each in
// the place of the one before, which is unloaded then, and leaves the last. It begins behind the one
// that is loaded already, and ends at the first thing that fails.
package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/gosplice/gosplice/splice/module/running"
)

func main() {
	n, err := strconv.Atoi(os.Args[2])
	if err == nil {
		err = do(&running.Kernel{Poll: 5 * time.Millisecond}, os.Args[1], n, os.Args[3:])
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func do(k *running.Kernel, what string, n int, paths []string) error {
	var files []*running.File
	for _, p := range paths {
		f, err := running.Open(p)
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	next := 0
	if r, err := k.Find(context.Background(), ""); err == nil && what == "replace" {
		next = 1 + slices.IndexFunc(files, func(f *running.File) bool { return f.Name == r.Name })
	}
	for i := range n {
		step := map[string]func(*running.Kernel, *running.File) error{"cycle": cycle, "replace": replace}[what]
		if err := step(k, files[(next+i)%len(files)]); err != nil {
			return fmt.Errorf("%d: %w", i, err)
		}
	}
	return nil
}

// limit is that of one step.
const limit = 2 * time.Minute

func cycle(k *running.Kernel, f *running.File) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if _, err := k.Load(ctx, f, running.Options{}); err != nil {
		return err
	}
	if err := k.Disable(ctx, f.Name, running.Options{}); err != nil {
		return err
	}
	return k.Unload(ctx, f.Name)
}

// replace loads a livepatch. Those that it does not take the place of itself are disabled then.
func replace(k *running.Kernel, f *running.File) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if _, err := k.Load(ctx, f, running.Options{}); err != nil {
		return err
	}
	list, err := k.All(ctx)
	if err != nil {
		return err
	}
	for _, r := range list {
		if r.Name == f.Name {
			continue
		}
		if err := k.Disable(ctx, r.Name, running.Options{}); err != nil {
			return err
		}
		if err := k.Unload(ctx, r.Name); err != nil {
			return err
		}
	}
	return nil
}
