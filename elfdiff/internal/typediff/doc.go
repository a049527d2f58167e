// Package typediff finds what means something else in post: layouts of structures,
// constants and signatures that changed code uses, by debug information.
package typediff
