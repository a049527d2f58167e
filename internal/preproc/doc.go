// Package preproc compares two sources behind the preprocessor by what a compiler makes
// of them: does a change of a header concern this object at all?
//
// A text is a list of declarations (C11, 6.9). Most of what headers declare makes no code by
// itself: types, prototypes, and static functions that nothing of the object uses (6.9.1 and
// GCC's manual on inline functions). [Same] has these follow names. What differs, and all that
// names it, must not reach a declaration that makes code or data.
//
// Lines do not matter here: what expands __LINE__ has the number in its text. They do in debug
// information, and the numbers that compilers give to local variables may differ too.
package preproc
