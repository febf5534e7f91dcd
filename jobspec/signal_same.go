//go:build !unix || linux

package jobspec

import "syscall"

// linuxSignal returns the number of a signal on Linux, where jobs run. It is the number here.
func linuxSignal(sig syscall.Signal) (int, bool) { return int(sig), sig > 0 }
