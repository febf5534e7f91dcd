// Package idset holds sets of non-negative integers in the text form of Flux, such as "0-3,7".
//
// Flux writes ranks, cores, GPUs, task ids and array indexes in this form. It is RFC 22 of the Flux project.
//
// A [Set] is a value. The zero Set is empty. Copying a Set is cheap, and a change of one copy never changes another.
// A Set may be read by several goroutines at once; a change needs the same care as a change of any Go variable.
// The cost of a Set, and of every operation that is not said to differ, grows with its ranges and not with its
// members: "0-4294967294" is one range of eight bytes.
//
// # Text
//
// [Parse] takes what the C library takes: numbers and ranges separated by commas, in ascending order, without
// overlap, in one optional pair of brackets. Empty elements are skipped ("1,,2", "[1,]"). White space, signs, leading
// zeros and ranges of one id ("1-1") are errors. [ParseLenient] is for text of producers that are known to be sloppy.
// An error is a [*ParseError], which says where the text is wrong.
//
// [Set.String] writes "0-3,7" and [Set.Brackets] writes "[0-3,7]". Both write a single id as "5" and the empty set
// as "". A service may read "" as a missing value: ask [Set.IsEmpty] before sending a set that may be empty.
// In JSON a Set is a string, and as a flag it is a [flag.Value].
//
// # Differences from the C library
//
//	input                      C library (flux-core 0.88)               this package
//	4294967296 and above       wraps modulo 2^32: "4294967296" is {0}   error, ErrRange
//	2147483648 to 4294967295   error: its tree ends at 2147483647       accepted, every uint32 is an id
//	a NUL byte                 the text ends there                      error, ErrSyntax
//	range_set (lo > hi)        exchanges lo and hi                      Range(lo, hi) is empty
//
// A set with an id above 2147483647 is refused by flux-core's own parser.
package idset
