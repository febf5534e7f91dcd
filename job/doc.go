// Package job has the data types of Flux jobs: ids, durations, eventlogs, output, task maps, states and wait statuses.
//
// # Differences from Flux
//
// The parsers read what the tools of flux-core 0.88 read and refuse what those refuse, except that the following are
// errors here, because what the tools make of them is not what was meant:
//
//	text                                       tools                           here
//	job id of more than 64 bits in F58,        drops the high bits             error, flux.ERANGE
//	  words or emoji: fzzzzzzzzzzz
//	job id 0.0.0.-1, "0.0. 0.1", 10.0x2.3.4    sign, space, 0x are skipped     error, flux.EINVAL
//	job id in words with other separators      any byte but a letter           hyphens and white space only
//	duration "" and s                          0, which is unlimited           error
//	duration 0x10, 0xd                         C tools: 16 s, 13 s; Python     error
//	                                           tools: error
//	duration over 292 years                    a number, or infinity           error, flux.ERANGE
//	duration under a nanosecond, not 0         a number                        error, flux.ERANGE
//	eventlog whose last line has no newline    drops the line                  error
//	task map block of five numbers             drops the fifth                 error
//	task map "(vector,(0,4,4)"                 takes it                        error
//	task map "0;;1"                            skips the empty node            error
//	task map numbers of more than 32 bits      wrap                            error, flux.ERANGE
//
// One thing is taken here only: an integer over 63 bits in the context of an event, which stays as it is.
package job
