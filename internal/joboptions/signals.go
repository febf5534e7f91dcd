package joboptions

import "strings"

// signals has the numbers of signals on Linux, which is where jobs run.
var signals = map[string]int{
	"HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "TRAP": 5, "ABRT": 6, "IOT": 6, "BUS": 7, "FPE": 8, "KILL": 9, "USR1": 10,
	"SEGV": 11, "USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15, "STKFLT": 16, "CHLD": 17, "CLD": 17, "CONT": 18,
	"STOP": 19,
	"TSTP": 20, "TTIN": 21, "TTOU": 22, "URG": 23, "XCPU": 24, "XFSZ": 25, "VTALRM": 26, "PROF": 27, "WINCH": 28,
	"IO":   29,
	"POLL": 29, "PWR": 30, "SYS": 31, "RTMIN": 34, "RTMAX": 64,
}

// signalNumber reads a signal by number or name, with or without "SIG".
func signalNumber(text string) (int, bool) {
	if n, ok := pythonInt(text); ok {
		return n, true
	}
	n, ok := signals[strings.TrimPrefix(text, "SIG")]
	return n, ok
}
