package fluid

import (
	"errors"
	"strconv"
	"testing"
)

func TestTables(t *testing.T) {
	if n := len(words()); n != numWords || len(wordValues()) != numWords {
		t.Errorf("%d words, %d different", n, len(wordValues()))
	}
	if n := len(emoji()); n != numEmoji || len(emojiValues()) != numEmoji {
		t.Errorf("%d emoji, %d different", n, len(emojiValues()))
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"ƒ3gcqYbSP", "f1", "0x10", "job.0000.0563.5400.0000", "😃", "a-b-c--d-e-f", "+7 ", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := Parse(s)
		if err != nil {
			if e, ok := errors.AsType[*Error](err); !ok || e.Offset < 0 || e.Offset > len(s) || e.Reason == "" {
				t.Fatalf("%q: error %#v", s, err)
			}
			return
		}
		for _, text := range []string{
			Prefix + Base58(id), PrefixASCII + Base58(id), Dothex(id), "job." + Dothex(id), Hex(id), Words(id), Emoji(id),
			strconv.FormatUint(id, 10),
		} {
			if again, err := Parse(text); err != nil || again != id {
				t.Fatalf("%q is %d, but %q is %d, %v", s, id, text, again, err)
			}
		}
	})
}
