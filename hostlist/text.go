package hostlist

// String returns the list with ranges, such as "node[01-16,20],login". Hosts stay in order, so brackets hold only
// neighbours. Hosts with text after the number are written one by one, as the C library writes them.
func (l List) String() string { return string(l.appendText(nil)) }

func (l List) appendText(b []byte) []byte {
	for k := 0; k < len(l.entries); {
		if k > 0 {
			b = append(b, ',')
		}
		e := &l.entries[k]
		if e.suffix != "" || !e.numbered {
			b = e.appendNames(b)
			k++
			continue
		}
		end := k + 1
		for end < len(l.entries) && e.sameBrackets(&l.entries[end]) {
			end++
		}
		b = append(b, e.prefix...)
		if end-k > 1 || e.lo != e.hi {
			b = append(appendRanges(append(b, '['), l.entries[k:end]), ']')
		} else {
			b = appendNumber(b, e.lo, e.width)
		}
		k = end
	}
	return b
}

func appendRanges(b []byte, entries []entry) []byte {
	for i := range entries {
		if i > 0 {
			b = append(b, ',')
		}
		e := &entries[i]
		b = appendNumber(b, e.lo, e.width)
		if e.lo != e.hi {
			b = appendNumber(append(b, '-'), e.hi, e.width)
		}
	}
	return b
}

// appendNames appends the hosts of e one by one.
func (e *entry) appendNames(b []byte) []byte {
	for i := range e.count() {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, e.prefix...)
		if e.numbered {
			b = appendNumber(b, e.lo+uint64(i), e.width)
		}
		b = append(b, e.suffix...)
	}
	return b
}

// AppendText appends the text of [List.String] to b. It implements [encoding.TextAppender]; the error is always nil.
func (l List) AppendText(b []byte) ([]byte, error) { return l.appendText(b), nil }

// MarshalText returns the text of [List.String]. It implements [encoding.TextMarshaler]; the error is always nil.
// In JSON a List is therefore a string.
func (l List) MarshalText() ([]byte, error) { return l.appendText([]byte{}), nil }

// UnmarshalText sets l to the list that [Parse] returns for text. It leaves l as it was if that is an error.
// It implements [encoding.TextUnmarshaler].
func (l *List) UnmarshalText(text []byte) error { return l.Set(string(text)) }

// Set sets l to the list that [Parse] returns for text. It leaves l as it was if that is an error.
// It implements [flag.Value].
func (l *List) Set(text string) error {
	parsed, err := Parse(text)
	if err != nil {
		return err
	}
	*l = parsed
	return nil
}
