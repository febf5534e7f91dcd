package jobspec

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// rankMax is the largest rank that a constraint may name. Flux's own limit is 2147483646, but a validator or scheduler
// that meets such a set is busy for minutes, and takes no other jobs; an instance cannot have this many ranks.
const rankMax = 1<<20 - 1

// checkIdset tells what is wrong with the text of a set of ranks (RFC 22).
func checkIdset(text string) error {
	inner := text
	if after, ok := strings.CutPrefix(inner, "["); ok {
		if inner, ok = strings.CutSuffix(after, "]"); !ok {
			return errors.New("brackets do not match")
		}
	}
	if strings.ContainsAny(inner, "[]") {
		return errors.New("brackets do not match")
	}
	last := int64(-1)
	empty := true
	for part := range strings.SplitSeq(inner, ",") {
		if part == "" {
			continue
		}
		empty = false
		lo, hi, isRange := strings.Cut(part, "-")
		from, err := setNumber(lo)
		if err != nil {
			return fmt.Errorf("%q: %w", part, err)
		}
		to := from
		if isRange {
			if to, err = setNumber(hi); err != nil {
				return fmt.Errorf("%q: %w", part, err)
			}
			if to <= from {
				return fmt.Errorf("%q: a range must ascend", part)
			}
		}
		if from <= last {
			return fmt.Errorf("%q is out of order", part)
		}
		last = to
	}
	if empty {
		return errors.New("it has no members")
	}
	return nil
}

func setNumber(text string) (int64, error) {
	if text == "" || strings.Trim(text, "0123456789") != "" || len(text) > 1 && text[0] == '0' {
		return 0, errors.New("expected a number without leading zeros")
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n > rankMax {
		return 0, fmt.Errorf("must not exceed %d", rankMax)
	}
	return n, nil
}

// hostRange is an element between the brackets of a hostlist. Flux allows space and a plus sign, and no end.
var hostRange = regexp.MustCompile(`^[ \t]*\+?([0-9]+)(?:-(?:[ \t]*\+?([0-9]+))?)?$`)

// checkHostlist tells what is wrong with the text of a hostlist (RFC 29).
func checkHostlist(text string) error {
	hosts := 0
	for text != "" {
		end := strings.IndexAny(text, ",[]")
		switch {
		case end < 0:
			return nil
		case text[end] == ',':
			if end > 0 {
				hosts++
			}
			text = text[end+1:]
			continue
		case text[end] == ']':
			return errors.New("brackets do not match")
		}
		closing := strings.IndexByte(text[end:], ']')
		if closing < 0 {
			return errors.New("brackets do not match")
		}
		if err := checkHostRanges(text[end+1 : end+closing]); err != nil {
			return err
		}
		hosts++
		// Further brackets in the same name stand for themselves in Flux, which nobody means.
		text = text[end+closing+1:]
		next := strings.IndexAny(text, ",[]")
		if next >= 0 && text[next] != ',' {
			return errors.New("a name has more than one bracket")
		}
		if next < 0 {
			return nil
		}
		text = text[next+1:]
	}
	if hosts == 0 {
		return errors.New("it names no host")
	}
	return nil
}

func checkHostRanges(text string) error {
	for part := range strings.SplitSeq(text, ",") {
		m := hostRange.FindStringSubmatch(part)
		if m == nil {
			return fmt.Errorf("%q is not a number or a range", part)
		}
		if m[2] == "" {
			continue
		}
		lo, errLo := strconv.ParseUint(m[1], 10, 64)
		hi, errHi := strconv.ParseUint(m[2], 10, 64)
		if errLo != nil || errHi != nil || lo > hi {
			return fmt.Errorf("%q: a range must ascend", part)
		}
	}
	return nil
}

// The spellings of a job id (RFC 19) that can be told from other text by their look.
var (
	dottedID = regexp.MustCompile(`^[0-9a-fA-F]{1,4}(?:\.[0-9a-fA-F]{1,4}){3}$`)
	f58ID    = regexp.MustCompile(`^[fƒ][1-9A-HJ-NP-Za-km-z]{1,12}$`)
	wordsID  = regexp.MustCompile(`^[a-z]+-[a-z]+-[a-z]+--[a-z]+-[a-z]+-[a-z]+$`)
	zeroID   = regexp.MustCompile(`^(?:[fƒ]1+|[0.]+)$`)
)

// emojiMin is the first code point of the blocks that ids in emoji use.
const emojiMin = 0x2000

// mayBeJobID tells whether text looks like the id of a job. It takes any words and any emoji. It refuses the id 0,
// which no job has: it comes from a variable that was not set.
func mayBeJobID(text string) bool {
	text = strings.TrimPrefix(strings.TrimSpace(text), "job.")
	digits, base := text, 10
	if len(text) > 2 && text[0] == '0' && text[1]|0x20 == 'x' {
		digits, base = text[2:], 16
	}
	if n, err := strconv.ParseUint(digits, base, 64); err == nil {
		return n != 0
	}
	switch {
	case text == "" || zeroID.MatchString(text):
		return false
	case dottedID.MatchString(text), f58ID.MatchString(text), wordsID.MatchString(text):
		return true
	}
	return strings.IndexFunc(text, func(r rune) bool { return r < emojiMin }) < 0
}
