//go:build race

package testenv

// raced says that the race detector is on, which takes memory of its own.
const raced = true
