// Package hostlist holds lists of host names in the text form of Flux, such as "node[01-16,20],login".
//
// Flux writes the hosts of an instance, of a resource set and of a job in this form. It is RFC 29 of the Flux project.
// Unlike a set of ids (package idset), a list keeps the order of the hosts, and a host may occur more than once.
//
// A [List] is a value. The zero List is empty. Copying a List is cheap, and a change of one copy never changes another.
// A List may be read by several goroutines at once; a change needs the same care as a change of any Go variable.
// The cost of a List, and of every operation that is not said to differ, grows with its ranges and not with its
// members: "node[0-999999]" is one range.
//
// # Text
//
// [Parse] takes hosts separated by commas, spaces and tabs. Empty elements are skipped. A host may have one pair of
// brackets with numbers and ranges, "node[08-11,20]-ib", anywhere in its name. The first number of a range says how
// many digits its numbers have at least: "node[08-11]" begins with node08. Numbers may be in any order and may repeat.
// A number is at most 18446744073709551615, and a range has at most [MaxRange] hosts.
//
// An error is a [*ParseError], which says where the text is wrong. No host is kept then.
//
// [List.String] writes neighbours that differ in the number at the end of their names in brackets. In JSON a List is a
// string, and as a flag it is a [flag.Value]. A resource set (RFC 20) has an array of such strings.
//
// # Differences from the C library
//
// [Parse] refuses what the C library reads as something else than it says. [ParseLenient] does as the C library does,
// where the last column says so.
//
//	input or call                 C library (flux-core 0.88)              Parse            ParseLenient
//	a[1-2]b[3-4]                  brackets after the first are literal    ErrBrackets      as C
//	a[1-2]] or a[1-2][            the bracket is part of the name, and    ErrBrackets      as C
//	                              the commas after it too
//	a[1-]                         a1                                      ErrSyntax        as C
//	a[ 1] or a[+1]                a01: the width counts characters        ErrSyntax        as C
//	a[1x-2]                       a[01-02]: skips the x, but counts it    ErrSyntax        as C
//	a newline, or another         part of the name                        ErrName          as C
//	unprintable character
//	a18446744073709551616         the host vanishes                       ErrRange         a host without a number
//	a[18446744073709551616]       a18446744073709551615                   ErrRange         ErrRange
//	a[0-18446744073709551615]     2^64 hosts, counted as 0                ErrRange         ErrRange
//	a[...] of over 255 digits     accepted                                ErrRange         ErrRange
//	a name that is not UTF-8      accepted                                ErrName          as C
//	over 10240 ranges in a pair   refused                                 accepted         accepted
//	a name of over 270 bytes      reads as NULL, or is cut                kept             kept
//
// Beyond text:
//
//	String              a range ends at MaxRange hosts, so that Parse takes it; C writes longer ones and refuses them
//	Append              appends all hosts or none; C drops a host with a number that is too large
//	Index, Find         of text that is no name of a host: not found; C says EINVAL
//	Delete              ranges that become neighbours are joined in the text: "a[1-3]"; C writes "a[1-2,3]"
//	Uniq                keeps the order; UniqSorted is hostlist_uniq(3)
//	Uniq, UniqSorted    know a host in every spelling; C keeps both of "a10,a1[0-5]"
//	Sort                with and without zeros before numbers, as "a[5-12,01-04]": sorts host by host,
//	                    "a[5-9,01-04,10-12]"; the order of C depends on how the list was written
//	Sort                O(n log n) in ranges; C may take minutes for ranges that overlap
package hostlist
