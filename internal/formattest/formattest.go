// Package formattest has what the tests of data formats share: the files of vectors, and random texts.
package formattest

import (
	"bufio"
	"encoding/json"
	"iter"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
)

// Vectors yields each line of a file of JSON values, decoded and as text. It fails the test if a line cannot be read.
func Vectors[T any](tb testing.TB, file string) iter.Seq2[T, string] {
	return func(yield func(T, string) bool) {
		tb.Helper()
		f, err := os.Open(file)
		if err != nil {
			tb.Fatal(err)
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var v T
			if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
				tb.Fatalf("%s: %s: %v", file, lines.Text(), err)
			}
			if !yield(v, lines.Text()) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			tb.Fatal(err)
		}
	}
}

// Random returns a source of random numbers whose seed is in the log of the test.
func Random(tb testing.TB) *rand.Rand {
	tb.Helper()
	seed := uint64(time.Now().UnixNano())
	tb.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// Mutate inserts, drops or replaces a character in text, up to three times or not at all. New characters are from the
// alphabet.
func Mutate(random *rand.Rand, text, alphabet string) string {
	letters, out := []rune(alphabet), []rune(text)
	for range random.IntN(4) {
		i, letter := random.IntN(len(out)+1), letters[random.IntN(len(letters))]
		switch edit := random.IntN(3); {
		case edit == 0:
			out = append(out[:i:i], append([]rune{letter}, out[i:]...)...)
		case i == len(out):
		case edit == 1:
			out = append(out[:i:i], out[i+1:]...)
		default:
			out[i] = letter
		}
	}
	return string(out)
}

// MaxDigits returns how many digits the longest number in text has. A test that does not want sets of many members
// looks at it.
func MaxDigits(text string) int {
	longest := 0
	for number := range strings.FieldsFuncSeq(text, func(r rune) bool { return r < '0' || r > '9' }) {
		longest = max(longest, len(number))
	}
	return longest
}
