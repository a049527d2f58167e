// Package dtypes reads types and variables from debug information, and compares those
// of pre with those of post.
package dtypes
