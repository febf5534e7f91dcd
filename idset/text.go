package idset

import "strconv"

// String returns the ids with ranges and without brackets, such as "0-3,7", "5" or "".
func (s Set) String() string { return string(s.appendRanges(nil)) }

// Brackets returns the ids with ranges, in brackets if there is more than one id, such as "[0-3,7]", "5" or "".
func (s Set) Brackets() string {
	if len(s.spans) == 0 || len(s.spans) == 1 && s.spans[0].lo == s.spans[0].hi {
		return s.String()
	}
	return string(append(s.appendRanges([]byte{'['}), ']'))
}

// Plain returns the ids one by one, such as "0,1,2,3,7". Its length grows with the members of s.
func (s Set) Plain() string {
	var b []byte
	for id := range s.All() {
		if len(b) > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(id), 10)
	}
	return string(b)
}

func (s Set) appendRanges(b []byte) []byte {
	for i, r := range s.spans {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(r.lo), 10)
		if r.lo != r.hi {
			b = append(b, '-')
			b = strconv.AppendUint(b, uint64(r.hi), 10)
		}
	}
	return b
}

// AppendText appends the text of [Set.String] to b. It implements [encoding.TextAppender]; the error is always nil.
func (s Set) AppendText(b []byte) ([]byte, error) { return s.appendRanges(b), nil }

// MarshalText returns the text of [Set.String]. It implements [encoding.TextMarshaler]; the error is always nil.
// In JSON a Set is therefore a string.
func (s Set) MarshalText() ([]byte, error) { return s.appendRanges([]byte{}), nil }

// UnmarshalText sets s to the set that [Parse] returns for text. It leaves s as it was if that is an error.
// It implements [encoding.TextUnmarshaler].
func (s *Set) UnmarshalText(text []byte) error { return s.Set(string(text)) }

// Set sets s to the set that [Parse] returns for text. It leaves s as it was if that is an error.
// It implements [flag.Value].
func (s *Set) Set(text string) error {
	t, err := Parse(text)
	if err != nil {
		return err
	}
	*s = t
	return nil
}
