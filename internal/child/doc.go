// Package child runs commands: what a context ends takes what it started with it, and a log has
// them as lines for a shell.
package child
