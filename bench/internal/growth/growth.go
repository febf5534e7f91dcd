// Package growth measures how the cost of things grows with their number, in
// one process, with the embedded broker or a peer that does nothing.
package growth

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// sweep is one table: a row for each size.
type sweep struct {
	name, what string
	columns    []column
	sizes      []int
	small      int // the largest size of a short run
	base       int // the size whose row is 1
	row        func(ctx context.Context, size int, short bool) ([]float64, error)
}

// column is a time, shown as a multiple of that in the base row, or bytes.
type column struct {
	name  string
	bytes bool
}

func times(names ...string) (list []column) {
	for _, n := range names {
		list = append(list, column{name: n})
	}
	return list
}

var sweeps = []sweep{
	callSweep, heldSweep, streamSweep, subscriptionSweep, routeSweep, payloadSweep,
}

// Main is the growth command.
func Main(ctx context.Context, argv []string) error {
	fs := flag.NewFlagSet("growth", flag.ContinueOnError)
	short := fs.Bool("short", false, "the smaller sizes only, fewer operations")
	only := fs.String("only", "", "only the sweeps whose name matches this `regexp`")
	if err := fs.Parse(argv); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	match, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	return Run(ctx, os.Stdout, match, *short)
}

// Run writes the tables of the sweeps whose name matches.
func Run(ctx context.Context, w io.Writer, only *regexp.Regexp, short bool) error {
	for _, s := range sweeps {
		if !only.MatchString(s.name) {
			continue
		}
		if err := s.run(ctx, w, short); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

func (s *sweep) run(ctx context.Context, w io.Writer, short bool) error {
	var rows [][]float64
	var sizes []int
	base := 0
	for _, size := range s.sizes {
		if short && size > s.small {
			break
		}
		row, err := s.row(ctx, size, short)
		if err != nil {
			return fmt.Errorf("%d: %w", size, err)
		}
		if size == s.base {
			base = len(rows)
		}
		sizes, rows = append(sizes, size), append(rows, row)
	}
	fmt.Fprintf(w, "**%s.** %s\n\n| %s |", strings.ToUpper(s.name[:1])+s.name[1:], s.what, s.name)
	for _, c := range s.columns {
		fmt.Fprintf(w, " %s |", c.name)
	}
	fmt.Fprintf(w, "\n%s|\n", strings.Repeat("|---", len(s.columns)+1))
	for i, row := range rows {
		fmt.Fprintf(w, "| %s |", strconv.Itoa(sizes[i]))
		for j, c := range s.columns {
			if c.bytes {
				fmt.Fprintf(w, " %.0f |", row[j])
			} else {
				fmt.Fprintf(w, " %.2fx |", row[j]/rows[base][j])
			}
		}
		fmt.Fprintln(w)
	}
	_, err := fmt.Fprintln(w)
	return err
}
