package joboptions

import (
	"io"
	"os"
	"time"
)

// Host is what a command line is read against: the state of the submitting process.
type Host struct {
	Environ  []string // as os.Environ returns it
	Dir      string   // the working directory
	Limits   []Limit  // soft resource limits, in the order in which they go into the jobspec
	Stdin    io.Reader
	Terminal bool // standard input is a terminal
	Now      func() time.Time

	// DecodeTOML reads a TOML document for --conf. Values are string, bool, int64, float64, []any and map[string]any;
	// others are refused. TOML is refused if DecodeTOML is nil, as ThisProcess leaves it: this module depends on no TOML
	// library.
	DecodeTOML func(text []byte) (map[string]any, error)
}

// Limit is one soft resource limit.
type Limit struct {
	Name string // such as "nofile"
	Soft int64  // -1 is unlimited
}

// ThisProcess returns the state of this process.
func ThisProcess() (Host, error) {
	dir, err := os.Getwd()
	if err != nil {
		return Host{}, err
	}
	terminal := false
	if info, err := os.Stdin.Stat(); err == nil {
		terminal = info.Mode()&os.ModeCharDevice != 0 && info.Mode()&os.ModeDevice != 0 && isTerminal()
	}
	return Host{
		Environ: os.Environ(), Dir: dir, Limits: processLimits(), Stdin: os.Stdin, Terminal: terminal, Now: time.Now,
	}, nil
}
