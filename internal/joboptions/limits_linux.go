//go:build linux && !(mips || mipsle || mips64 || mips64le)

package joboptions

import (
	"math"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

// linuxLimits are the names of resource limits with their numbers.
var linuxLimits = []struct {
	name   string
	number int
}{
	{"cpu", 0}, {"fsize", 1}, {"data", 2}, {"stack", 3}, {"core", 4}, {"nofile", 7}, {"ofile", 7}, {"as", 9}, {"rss", 5},
	{"nproc", 6}, {"memlock", 8}, {"msgqueue", 12}, {"nice", 13}, {"rtprio", 14}, {"rttime", 15}, {"sigpending", 11},
}

// processLimits returns the soft limits of this process.
func processLimits() []Limit {
	var limits []Limit
	files, filesKnown := openFiles()
	for _, l := range linuxLimits {
		if l.name == "nofile" || l.name == "ofile" {
			if filesKnown {
				limits = append(limits, Limit{l.name, files})
			}
			continue
		}
		var r syscall.Rlimit
		if syscall.Getrlimit(l.number, &r) != nil {
			continue
		}
		soft := int64(-1)
		if r.Cur <= math.MaxInt64 {
			soft = int64(r.Cur)
		}
		limits = append(limits, Limit{l.name, soft})
	}
	return limits
}

// openFiles returns the limit on open files that this process was started with. The Go runtime raises the limit and
// puts it back for child processes, so that only a child can tell.
func openFiles() (int64, bool) {
	out, err := exec.Command("/bin/sh", "-c", "ulimit -Sn").Output()
	if err != nil {
		return 0, false
	}
	text := strings.TrimSpace(string(out))
	if text == "unlimited" {
		return -1, true
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

// isTerminal tells whether standard input is a terminal.
func isTerminal() bool {
	var t syscall.Termios
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, 0, syscall.TCGETS, uintptr(unsafe.Pointer(&t)))
	return errno == 0
}
