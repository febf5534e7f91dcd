//go:build !linux || mips || mipsle || mips64 || mips64le

package joboptions

// processLimits returns nothing: the numbers and meanings of limits differ from those on the hosts of jobs.
func processLimits() []Limit { return nil }

// isTerminal tells whether standard input, which is a character device, is a terminal.
func isTerminal() bool { return true }
