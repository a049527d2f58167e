// Package child has commands that a context ends take what they started with them.
package child
