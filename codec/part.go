package codec

import "encoding/binary"

// nextPart splits the first part off b.
func nextPart(b []byte) (part, rest []byte, err error) {
	if len(b) == 0 {
		return nil, nil, malformed("a part is missing")
	}
	n, b := int(b[0]), b[1:]
	if n == longPart {
		if len(b) < 4 {
			return nil, nil, malformed("part size cut short: %d of 4 bytes", len(b))
		}
		size := binary.BigEndian.Uint32(b)
		b = b[4:]
		if uint64(size) > uint64(len(b)) {
			return nil, nil, malformed("part of %d bytes in the %d that are left", size, len(b))
		}
		n = int(size)
	}
	if n > len(b) {
		return nil, nil, malformed("part of %d bytes in the %d that are left", n, len(b))
	}
	return b[:n], b[n:], nil
}
