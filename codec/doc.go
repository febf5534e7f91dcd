// Package codec is the Flux message model and its bytes: the fixed header, the
// parts around it, the framing on a byte stream, and the payload conventions.
// It does no I/O, starts no goroutine and reads no clock.
//
// A message is a [Message]. [Append] writes one as a frame, [Decode] reads the
// body of a frame back, and [ParsePrefix] reads the eight bytes in front of it.
// Every function may be called from any goroutine; a [Decoder] belongs to one.
//
// The layout is that of RFC 3, with the corrections that real brokers need: the
// frame magic is in host byte order, the frame length excludes the prefix, and
// topic and route parts carry no NUL.
package codec
