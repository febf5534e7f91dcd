package job

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/flux-sdk/flux"
)

// A State is a state of a job (RFC 21), or a set of states: the values are bits.
type State int

// The states of a job in the order in which it goes through them, and the sets that Flux has names for.
const (
	StateNew      State = 1
	StateDepend   State = 2
	StatePriority State = 4
	StateSched    State = 8
	StateRun      State = 16
	StateCleanup  State = 32
	StateInactive State = 64

	StatePending = StateDepend | StatePriority | StateSched
	StateRunning = StateRun | StateCleanup
	StateActive  = StatePending | StateRunning
)

// A ResultCode is how a job ended, or a set of such: the values are bits. It is the result of a listed job, which has
// one only when it is inactive.
type ResultCode int

// How a job ended.
const (
	ResultCompleted ResultCode = 1 // every task exited with 0 and there was no fatal exception
	ResultFailed    ResultCode = 2
	ResultCanceled  ResultCode = 4
	ResultTimeout   ResultCode = 8
)

// bitName has the long and the short name of one bit, or of a set of bits.
type bitName struct {
	bits        int
	name, short string
}

var stateNames = []bitName{
	{int(StateNew), "NEW", "N"},
	{int(StateDepend), "DEPEND", "D"},
	{int(StatePriority), "PRIORITY", "P"},
	{int(StateSched), "SCHED", "S"},
	{int(StateRun), "RUN", "R"},
	{int(StateCleanup), "CLEANUP", "C"},
	{int(StateInactive), "INACTIVE", "I"},
}

var stateSetNames = []bitName{
	{int(StatePending), "PENDING", "PD"},
	{int(StateRunning), "RUNNING", "RU"},
	{int(StateActive), "ACTIVE", "A"},
}

var resultNames = []bitName{
	{int(ResultCompleted), "COMPLETED", "CD"},
	{int(ResultFailed), "FAILED", "F"},
	{int(ResultCanceled), "CANCELED", "CA"},
	{int(ResultTimeout), "TIMEOUT", "TO"},
}

// String returns the name of Flux, such as "SCHED". A set is the names of its states with commas, "DEPEND,RUN", and a
// value with bits that no state has is a number.
func (s State) String() string { return formatBits(int(s), stateNames) }

// ParseState reads a state, one of the sets pending, running and active, or a list of these with commas. Names are
// long or short ("sched", "S") and in any case. The error is a [*ParseError].
func ParseState(s string) (State, error) {
	bits, err := parseBits("job state", s, slices.Concat(stateNames, stateSetNames))
	return State(bits), err
}

// Set reads what [ParseState] reads. It makes *State a [flag.Value].
func (s *State) Set(text string) error {
	parsed, err := ParseState(text)
	if err == nil {
		*s = parsed
	}
	return err
}

// String returns the name of Flux, such as "COMPLETED". A set is the names with commas, and a value with bits that no
// result has is a number.
func (r ResultCode) String() string { return formatBits(int(r), resultNames) }

// ParseResultCode reads a result or a list of results with commas. Names are long or short ("failed", "F") and in any
// case. The error is a [*ParseError].
func ParseResultCode(s string) (ResultCode, error) {
	bits, err := parseBits("job result", s, resultNames)
	return ResultCode(bits), err
}

// Set reads what [ParseResultCode] reads. It makes *ResultCode a [flag.Value].
func (r *ResultCode) Set(text string) error {
	parsed, err := ParseResultCode(text)
	if err == nil {
		*r = parsed
	}
	return err
}

func formatBits(bits int, names []bitName) string {
	var set []string
	left := bits
	for _, n := range names {
		if bits&n.bits != 0 {
			set = append(set, n.name)
			left &^= n.bits
		}
	}
	if left != 0 || len(set) == 0 {
		return strconv.Itoa(bits)
	}
	return strings.Join(set, ",")
}

func parseBits(what, s string, names []bitName) (int, error) {
	bits, offset := 0, 0
	for word := range strings.SplitSeq(s, ",") {
		found := false
		for _, n := range names {
			if upper := strings.ToUpper(word); upper == n.name || upper == n.short {
				bits |= n.bits
				found = true
			}
		}
		if !found {
			var known []string
			for _, n := range names {
				known = append(known, strings.ToLower(n.name))
			}
			return 0, &ParseError{What: what, Input: s, Offset: offset, Errno: flux.EINVAL,
				Reason: fmt.Sprintf("%.60q is not one of %s", word, strings.Join(known, ", "))}
		}
		offset += len(word) + 1
	}
	return bits, nil
}
