package codec

import "encoding/binary"

// longPart is the size byte of a part that has its size in the next four.
const longPart = 255

// PartSize is the size of a part of n bytes with its size field (RFC 3).
func PartSize(n int) int {
	if n < longPart {
		return 1 + n
	}
	return 5 + n
}

// AppendPartSize appends the size field of a part of n bytes: one byte, or, from
// 255 on, that byte and four more.
func AppendPartSize(dst []byte, n int) []byte {
	if n < longPart {
		return append(dst, byte(n))
	}
	return binary.BigEndian.AppendUint32(append(dst, longPart), uint32(n))
}

// putSize is AppendPartSize into b, and returns the size of the field.
func putSize(b []byte, n int) int { return len(AppendPartSize(b[:0], n)) }

// SolePart returns the bytes of the part that b is, with the size field as
// [AppendPartSize] has it; ok is false if b is no such part, or more.
func SolePart(b []byte) (bytes []byte, ok bool) {
	switch {
	case len(b) == 0:
		return nil, false
	case b[0] != longPart:
		return b[1:], int(b[0]) == len(b)-1
	case len(b) < 5+longPart:
		return nil, false
	}
	return b[5:], uint64(binary.BigEndian.Uint32(b[1:])) == uint64(len(b)-5)
}

// skipHops is where the hops that begin at at end, or the first of them that is
// not short.
func skipHops(b []byte, at int) int {
	for at < len(b) && b[at] != 0 && b[at] != longPart && at+int(b[at]) < len(b) {
		at += 1 + int(b[at])
	}
	return at
}

// cutPart finds the part of b that begins at at: its bytes are b[from:to].
func cutPart(b []byte, at int) (from, to int, err error) {
	if at < len(b) && b[at] != longPart {
		if to = at + 1 + int(b[at]); to <= len(b) {
			return at + 1, to, nil
		}
	}
	return cutAnyPart(b, at)
}

func cutAnyPart(b []byte, at int) (from, to int, err error) {
	b = b[at:]
	if len(b) == 0 {
		return 0, 0, malformed("a part is missing")
	}
	from, n := 1, uint64(b[0])
	if n == longPart {
		if len(b) < 5 {
			return 0, 0, malformed("part size cut short: %d of 4 bytes", len(b)-1)
		}
		from, n = 5, uint64(binary.BigEndian.Uint32(b[1:]))
	}
	if left := len(b) - from; n > uint64(left) {
		return 0, 0, malformed("part of %d bytes in the %d that are left", n, left)
	}
	return at + from, at + from + int(n), nil
}

// nextPart splits the first part off b.
func nextPart(b []byte) (part, rest []byte, err error) {
	from, to, err := cutPart(b, 0)
	if err != nil {
		return nil, nil, err
	}
	return b[from:to], b[to:], nil
}
