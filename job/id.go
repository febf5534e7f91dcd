package job

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/internal/fluid"
)

// An ID is the id of a job: a FLUID (RFC 19), which is unique in its Flux instance and grows with the time of
// submission. It holds 40 bits of milliseconds since the start of the instance, 14 bits for the rank that gave it out,
// and a 10 bit sequence number.
//
// String and MarshalText give F58 text such as "ƒ3gcqYbSP", MarshalJSON gives a number. A *ID is a [flag.Value].
// IDs order by time of submission with [ID.Compare], < and >; their F58 texts do not.
type ID uint64

const (
	sequenceBits  = 10
	generatorBits = 14
)

// String returns the F58 spelling with its prefix U+0192, such as "ƒ3gcqYbSP". It ignores the locale and
// $FLUX_F58_FORCE_ASCII; see [ID.F58ASCII].
func (id ID) String() string { return id.F58() }

// F58 returns the F58 spelling with its prefix U+0192, such as "ƒ3gcqYbSP".
func (id ID) F58() string { return fluid.Prefix + fluid.Base58(uint64(id)) }

// F58ASCII returns the F58 spelling with the prefix "f", such as "f3gcqYbSP". It suits file names and terminals that
// have no UTF-8.
func (id ID) F58ASCII() string { return fluid.PrefixASCII + fluid.Base58(uint64(id)) }

// Dothex returns four groups of four hexadecimal digits, such as "0000.0563.5400.0000".
func (id ID) Dothex() string { return fluid.Dothex(uint64(id)) }

// Hex returns the hexadecimal number, such as "0x56354000000".
func (id ID) Hex() string { return fluid.Hex(uint64(id)) }

// Dec returns the decimal number, such as "5924169187328".
func (id ID) Dec() string { return strconv.FormatUint(uint64(id), 10) }

// KVS returns the name of the job's directory in the KVS, such as "job.0000.0563.5400.0000".
func (id ID) KVS() string { return "job." + id.Dothex() }

// Words returns the spelling of six words, such as "alamo-bandit-panel--gregory-academy-academy".
func (id ID) Words() string { return fluid.Words(uint64(id)) }

// Emoji returns the spelling of one to seven emoji.
func (id ID) Emoji() string { return fluid.Emoji(uint64(id)) }

// Offset returns the time between the start of the instance and the submission of the job, in whole milliseconds.
func (id ID) Offset() time.Duration {
	return time.Duration(id>>(generatorBits+sequenceBits)) * time.Millisecond
}

// Generator returns the number of the generator that gave out the id: the rank of the broker that took the job.
func (id ID) Generator() int { return int(id >> sequenceBits & (1<<generatorBits - 1)) }

// Sequence returns the number of ids that the generator gave out before this one in the same millisecond.
func (id ID) Sequence() int { return int(id & (1<<sequenceBits - 1)) }

// Time returns the time of submission, given the start of the instance that gave out the id.
func (id ID) Time(start time.Time) time.Time { return start.Add(id.Offset()) }

// Compare returns -1 if id was given out before other, 0 if they are the same, and 1 otherwise.
func (id ID) Compare(other ID) int { return cmp.Compare(id, other) }

// MarshalText returns the F58 spelling.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.F58()), nil }

// AppendText appends the F58 spelling to b.
func (id ID) AppendText(b []byte) ([]byte, error) { return append(b, id.F58()...), nil }

// UnmarshalText reads any spelling, as [ParseID] does.
func (id *ID) UnmarshalText(text []byte) error { return id.Set(string(text)) }

// Set reads any spelling, as [ParseID] does. It makes *ID a [flag.Value].
func (id *ID) Set(s string) error {
	parsed, err := ParseID(s)
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

// MarshalJSON returns the number.
func (id ID) MarshalJSON() ([]byte, error) { return []byte(id.Dec()), nil }

// UnmarshalJSON reads an integer, which is what Flux sends, or a string with any spelling, which is what people write
// in files. A negative number, a fraction and an exponent are errors. null changes nothing, as everywhere in
// encoding/json.
func (id *ID) UnmarshalJSON(data []byte) error {
	if bytes.Equal(data, []byte("null")) {
		return nil
	}
	if len(data) > 0 && data[0] == '"' {
		var s string
		if err := json.Unmarshal(data, &s); err != nil {
			return fmt.Errorf("job: invalid job id %s: %w", shorten(string(data)), err)
		}
		return id.Set(s)
	}
	n, err := fluid.ParseDecimal(string(data))
	if e, ok := errors.AsType[*fluid.Error](err); ok && !e.Overflow {
		return idError(string(data), errors.New("expected an integer from 0 to 18446744073709551615 or a string"))
	}
	if err != nil {
		return idError(string(data), err)
	}
	*id = ID(n)
	return nil
}

// ParseID reads every spelling that `flux job id` takes: F58 with either prefix, decimal, hexadecimal ("0x"), dotted
// hexadecimal, words, emoji, and the KVS directory ("job."). Leading white space is skipped, trailing white space only
// after decimal, hexadecimal and words, as Flux does.
//
// Unlike Flux it refuses a text whose value needs more than 64 bits in any spelling, where Flux drops the high bits,
// and signs, white space and "0x" inside dotted hexadecimal. The error is a [*ParseError].
func ParseID(s string) (ID, error) {
	id, err := fluid.Parse(s)
	if err != nil {
		return 0, idError(s, err)
	}
	return ID(id), nil
}

// idError returns an error of package fluid as a *ParseError.
func idError(input string, err error) error {
	parse := &ParseError{What: "job id", Input: input, Reason: err.Error(), Errno: flux.EINVAL}
	if e, ok := errors.AsType[*fluid.Error](err); ok {
		parse.Offset, parse.Reason = e.Offset, e.Reason
		if e.Overflow {
			parse.Errno = flux.ERANGE
		}
	}
	return parse
}
