package job

import (
	"fmt"
	"syscall"
)

// A Status is a wait status as wait(2) has it on Linux, in the events "finish" and "shell-exit" and in the waitstatus
// of a listed job. For a whole job Flux keeps the highest status of its shells.
//
// A task that a signal ends does not end its shell by that signal: the shell exits with 128 plus the signal's number,
// as sh(1) does. [Status.Signal] and [Status.String] take account of that; [Status.Signaled] does not.
type Status int

// ExitStatus returns the Status of a process that exits with code, of which Linux keeps the low eight bits.
func ExitStatus(code int) Status { return Status(code & 0xff << 8) }

// SignalStatus returns the Status of a process that a signal ends. The task of a job gives
// ExitStatus(128+int(signal)) instead.
func SignalStatus(signal syscall.Signal) Status { return Status(signal & 0x7f) }

// Success reports whether the status is 0.
func (s Status) Success() bool { return s == 0 }

// Exited reports whether the process exited, as opposed to being ended or stopped by a signal.
func (s Status) Exited() bool { return s&0x7f == 0 }

// Signaled reports whether a signal ended the process itself, which for a job is its shell.
func (s Status) Signaled() bool { return s&0x7f != 0 && s&0x7f != 0x7f }

// CoreDump reports whether the process left a core dump.
func (s Status) CoreDump() bool { return s.Signaled() && s&0x80 != 0 }

// ExitCode returns the exit code as a shell tells it: the code of a process that exited, 128 plus the signal's number
// for one that a signal ended, and -1 for one that is only stopped.
func (s Status) ExitCode() int {
	switch {
	case s.Exited():
		return int(s >> 8 & 0xff)
	case s.Signaled():
		return 128 + int(s&0x7f)
	}
	return -1
}

// Signal returns the signal that ended the process, or that ended the task if the shell exits with 128 plus its
// number, with the numbers of Linux. It is 0 if no signal did. A task that exits by itself with such a code looks the
// same.
func (s Status) Signal() syscall.Signal {
	switch code := s.ExitCode(); {
	case code > 128:
		return syscall.Signal(code - 128)
	default:
		return 0
	}
}

// String returns the words of `flux job attach`: "task(s) exited with exit code 2", "task(s) Killed", "job shell
// Killed".
func (s Status) String() string {
	code := s.ExitCode()
	switch {
	case s.Signaled():
		return "job shell " + signalText(int(s.Signal()))
	case code > 128:
		return "task(s) " + signalText(code-128)
	case code >= 0:
		return fmt.Sprintf("task(s) exited with exit code %d", code)
	}
	return fmt.Sprintf("stopped (wait status %d)", int(s))
}

// signalTexts has the texts of strsignal(3) on Linux.
var signalTexts = [...]string{
	1: "Hangup", 2: "Interrupt", 3: "Quit", 4: "Illegal instruction", 5: "Trace/breakpoint trap", 6: "Aborted",
	7: "Bus error", 8: "Floating point exception", 9: "Killed", 10: "User defined signal 1", 11: "Segmentation fault",
	12: "User defined signal 2", 13: "Broken pipe", 14: "Alarm clock", 15: "Terminated", 16: "Stack fault",
	17: "Child exited", 18: "Continued", 19: "Stopped (signal)", 20: "Stopped", 21: "Stopped (tty input)",
	22: "Stopped (tty output)", 23: "Urgent I/O condition", 24: "CPU time limit exceeded", 25: "File size limit exceeded",
	26: "Virtual timer expired", 27: "Profiling timer expired", 28: "Window changed", 29: "I/O possible",
	30: "Power failure", 31: "Bad system call",
}

func signalText(signal int) string {
	switch {
	case signal > 0 && signal < len(signalTexts):
		return signalTexts[signal]
	case signal >= 34 && signal <= 64:
		return fmt.Sprintf("Real-time signal %d", signal-34)
	}
	return fmt.Sprintf("Unknown signal %d", signal)
}
