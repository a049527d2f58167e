// Package compare compares an atom of pre with its twin in post: instruction by
// instruction, constants by content, and what proves that a number is a line. It decides
// what is incidental, and knows nothing of what is carried.
package compare
