// Package fluid reads and writes FLUIDs (RFC 19), the 64 bit ids of jobs, in all their spellings.
package fluid

import (
	"fmt"
	"strconv"
)

const (
	// Prefix begins the F58 spelling. It is U+0192.
	Prefix = "ƒ"
	// PrefixASCII begins the F58 spelling where there is no UTF-8.
	PrefixASCII = "f"

	alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	// maxDigits is the number of base58 digits that Flux reads. Eleven are enough for any id.
	maxDigits = 12
	// maxEmoji is the number of emoji in the largest id.
	maxEmoji = 7
)

// Base58 returns the digits of the F58 spelling, without a prefix.
func Base58(id uint64) string {
	var buf [maxDigits]byte
	i := len(buf)
	for {
		i--
		buf[i] = alphabet[id%58]
		id /= 58
		if id == 0 {
			return string(buf[i:])
		}
	}
}

// Dothex returns four groups of four hexadecimal digits, such as "0000.0563.5400.0000".
func Dothex(id uint64) string {
	return fmt.Sprintf("%04x.%04x.%04x.%04x", uint16(id>>48), uint16(id>>32), uint16(id>>16), uint16(id))
}

// Hex returns the hexadecimal number, such as "0x56354000000".
func Hex(id uint64) string { return "0x" + strconv.FormatUint(id, 16) }

// Words returns six words, such as "alamo-bandit-panel--gregory-academy-academy".
func Words(id uint64) string {
	three := func(v uint32) string {
		w := words()
		return w[v%numWords] + "-" + w[v/numWords%numWords] + "-" + w[v/numWords/numWords]
	}
	return three(uint32(id)) + "--" + three(uint32(id>>32))
}

// Emoji returns one to seven emoji.
func Emoji(id uint64) string {
	var digits [maxEmoji]rune
	i := len(digits)
	for {
		i--
		digits[i] = emoji()[id%numEmoji]
		id /= numEmoji
		if id == 0 {
			return string(digits[i:])
		}
	}
}
