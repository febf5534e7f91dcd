// Package job has the data types of Flux jobs: ids, durations, eventlogs, output, task maps, states and wait statuses.
//
// # Differences from Flux
//
// The parsers read what the tools of flux-core 0.88 read and refuse what those refuse, except that the following are
// errors here, because what the tools make of them is not what was meant:
//
//	text                                         tools of flux-core
//	job id of more than 64 bits in F58, words    drop the high bits
//	  or emoji, such as fzzzzzzzzzzz
//	job id in F58 with a byte over 127           read it as a digit of no defined value
//	job id 0.0.0.-1, "0.0. 0.1", 10.0x2.3.4      read signs, spaces and 0x between the dots
//	job id in words with digits or dots          read any bytes but letters as separators
//	duration "" and "s"                          0, which means unlimited for a job
//	duration 0x10, 0xd                           16 s and 13 s (the Python tools: error)
//	duration over 292 years                      a number of seconds, or infinity
//	duration under half a nanosecond but not 0   a number of seconds
//	eventlog whose last line has no newline      drop the line
//	task map with blocks of five numbers         drop the fifth
//	task map "(vector,(0,4,4),1,2,3)"            drop what is not a block in parentheses
//	task map "(vector,(0,4,4)", "(vector,(,4,4))"  read it as if it were complete
//	task map "0;;1"                              skip the empty node, so node 2 becomes 1
//	task map of more than 2^31-1 tasks           numbers wrap
//
// One thing is read here only: an integer over 63 bits in the context of an event, which stays as it is.
package job
