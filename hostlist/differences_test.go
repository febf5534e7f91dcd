package hostlist

import "strings"

// Reasons for the differences from the C library.
const (
	second     = "the C library expands the first brackets only and keeps the others as part of the names"
	unbalanced = "the C library takes a bracket without its partner for part of a name, and then commas too"
	open       = "the C library takes a range without an end for its begin"
	space      = "the C library counts the white space as digits, so that foo[ 1] is foo01"
	garbage    = "the C library skips what is between a number and '-', but counts it as digits"
	control    = "the C library keeps control characters in names"
	clamped    = "the C library takes a number above 2^64-1 for 2^64-1"
	vanished   = "the C library drops a host whose number is above 2^64-1"
	unreadable = "the C library has these hosts, but returns NULL for a name of more than 270 bytes"
)

// long is two hosts with names of 4001 bytes.
var long = strings.Repeat("x", 4000) + "[1-2]"

// differences are the vectors that Parse answers otherwise on purpose, with the reason.
var differences = map[string]string{
	`decode "foo[1-2]bar[3-4]"`:                                   second,
	`decode "foo[1-2][3-4]"`:                                      second,
	`decode "rack[0-1]node[0-3]"`:                                 second,
	`decode "rack[0-1]node[0-3]-ib"`:                              second,
	`decode "tioga[0057]b-abc.d[2-4,8-9,12-14]"`:                  second,
	`decode "foo[1-2]]"`:                                          unbalanced,
	`decode "-b[83-89,6-8][b"`:                                    unbalanced,
	`decode ",]n1-[1-3]"`:                                         unbalanced,
	`decode "an[02-03]],n1-010"`:                                  unbalanced,
	`decode "abc.d[2-6,9,10-14].example.o[1g,9"`:                  unbalanced,
	`decode "a-b[14-15,17][-ib"`:                                  unbalanced,
	`decode "0]-b,foo[6-7]"`:                                      unbalanced,
	`decode "r0c0n[002-007,011-013]-[ib,tioga2"`:                  unbalanced,
	`decode "abc.d[10-12].example.org,t,oga[10-13]].example.org"`: unbalanced,
	`decode "a-b[00a0-01]2]"`:                                     unbalanced,
	`decode "rack1n[009-017].e]xample.or,g"`:                      unbalanced,
	`decode "foo[1-]"`:                                            open,
	`decode "9[2-,8-10]"`:                                         open,
	`decode "x[60-,67,68-69]"`:                                    open,
	`decode "9[5-][3]"`:                                           open,
	`decode "foo[ 1]"`:                                            space,
	`decode "foo[1, 2]"`:                                          space,
	`decode "x[0011-0018,0019-0024].example.org,host-[ 16-23]"`:   space,
	`decode "node,aac.d[18-20,23,26[-29]"`:                        garbage,
	`decode "host-[110,111-123,000-002],host-[0008,0011-0013,0015b-0021]-ib"`: garbage,
	`decode "abc.d99,a-b[23,2[7-28]b"`:                                        garbage,
	`decode "a-b[0010-0015,0018-0024,0a027-009],foo"`:                         garbage,
	`decode "abc.d11,x,[0099,0[100-0107]"`:                                    garbage,
	`decode "foo\nbar"`:                                                       control,
	`decode "foo[99999999999999999999]"`:                                      clamped,
	`decode "foo99999999999999999999"`:                                        vanished,
	`decode "foo18446744073709551616"`:                                        vanished,
	`decode "` + long + `"`:                                                   unreadable,
}

// lenientDifferences are the vectors that ParseLenient answers otherwise on purpose, with the reason.
var lenientDifferences = map[string]string{
	`decode "foo[99999999999999999999]"`: clamped,
	`decode "foo99999999999999999999"`:   vanished,
	`decode "foo18446744073709551616"`:   vanished,
	`decode "` + long + `"`:              unreadable,
}
