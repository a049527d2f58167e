// Reader reads files again and again until it is killed. They may be absent. It
// leaves some time to others, as a guest has few processors.
package main

import (
	"os"
	"time"
)

func main() {
	for _, name := range os.Args[1:] {
		go func() {
			for {
				_, _ = os.ReadFile(name)
				time.Sleep(2 * time.Millisecond)
			}
		}()
	}
	select {}
}
