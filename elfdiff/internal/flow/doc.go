// Package flow follows addresses through the code of functions: what is read by them,
// and who may keep one.
package flow
