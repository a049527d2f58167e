// Package correlate pairs the atoms of pre with those of post: a ladder of rules, from
// certain to weak.
package correlate
