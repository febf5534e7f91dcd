package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/flux-sdk/flux/codec"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// durationFlag is a time with its unit, 0 or more.
type durationFlag struct{ d *time.Duration }

func (f durationFlag) String() string {
	if *f.d == 0 {
		return "0"
	}
	return f.d.String()
}

func (f durationFlag) Type() string { return "duration" }

func (f durationFlag) Set(s string) error {
	d, err := time.ParseDuration(s)
	if n, nerr := strconv.ParseFloat(s, 64); err != nil && nerr == nil && n >= 0 {
		return fmt.Errorf("a time has a unit, such as %[1]ss, %[1]sm or %[1]sh", s)
	} else if nerr == nil && n < 0 || err == nil && d < 0 {
		return errors.New("a time is 0 or more")
	}
	if err != nil {
		return errors.New("want a time with its unit, such as 500ms, 5s or 1h30m")
	}
	*f.d = d
	return nil
}

// durationVar adds a flag for a time.
func durationVar(cmd *cobra.Command, d *time.Duration, name string, value time.Duration, usage string) {
	*d = value
	cmd.Flags().Var(durationFlag{d}, name, usage)
}

// rankFlag is the rank of a broker.
type rankFlag struct {
	rank uint32
	set  bool
}

func (f *rankFlag) String() string {
	if !f.set {
		return ""
	}
	return strconv.FormatUint(uint64(f.rank), 10)
}

func (f *rankFlag) Type() string { return "rank" }

func (f *rankFlag) Set(s string) error {
	n, err := parseRank(s)
	f.rank, f.set = n, err == nil
	return err
}

// parseRank reads the rank of a broker.
func parseRank(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	switch {
	case err == nil && uint32(n) < codec.NodeUpstream:
		return uint32(n), nil
	case s == "all":
		return 0, errors.New("a request goes to one broker: want its rank, a number from 0, and a call for each")
	case s == "upstream":
		return 0, errors.New("want a number from 0; --upstream addresses the nearest service above this broker")
	case s == "any":
		return 0, errors.New("want a number from 0; without the flag the nearest service answers")
	}
	return 0, errors.New("want the rank of a broker, a number from 0")
}

// sizeUnits are the units of sizes, the largest first.
var sizeUnits = []struct {
	suffix string
	bytes  int
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10}, {"B", 1}}

// sizeText shows a number of bytes.
func sizeText(n int) string {
	for _, u := range sizeUnits {
		if n >= u.bytes && n%u.bytes == 0 {
			return fmt.Sprintf("%d %s", n/u.bytes, u.suffix)
		}
	}
	return fmt.Sprintf("%d B", n)
}

// sizeFlag is a number of bytes, from 1 to what a message can carry.
type sizeFlag int

func (f *sizeFlag) String() string { return strings.ReplaceAll(sizeText(int(*f)), " ", "") }
func (f *sizeFlag) Type() string   { return "size" }

func (f *sizeFlag) Set(s string) error {
	number, unit := s, 1
	for _, u := range sizeUnits {
		if cut, ok := strings.CutSuffix(strings.ToUpper(s), strings.ToUpper(u.suffix)); ok {
			number, unit = cut, u.bytes
			break
		}
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > maxInput/unit {
		return fmt.Errorf("want a size from 1 to %s, such as 512K or 16M", sizeText(maxInput))
	}
	*f = sizeFlag(n * unit)
	return nil
}

// flagError says what is wrong with a flag, without the names of Go's functions, and which flag may have been meant.
func flagError(cmd *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	var unknown *pflag.NotExistError
	switch {
	case errors.As(err, &invalid):
		cause := invalid.Unwrap()
		var number *strconv.NumError
		switch {
		case errors.As(cause, &number) && errors.Is(number.Err, strconv.ErrRange):
			cause = fmt.Errorf("%s is out of range", number.Num)
		case errors.As(cause, &number):
			cause = errors.New("want a whole number")
		}
		if invalid.GetFlag().Value.Type() == "bool" {
			cause = errors.New("want no value, or true or false")
		}
		return fmt.Errorf("--%s %q: %w", invalid.GetFlag().Name, invalid.GetValue(), cause)
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "":
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				names = append(names, f.Name)
			}
		})
		return fmt.Errorf("%w%s", err, didYouMean("--", similar(unknown.GetSpecifiedName(), names)))
	}
	return err
}
