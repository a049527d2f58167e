// Package places finds the records about places in the source: lines and columns that
// only messages show.
package places
