//go:build unix

package jobspec_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/flux-sdk/flux/jobspec"
)

// TestSignalIsThatOfLinux wants the numbers of Linux on every system.
func TestSignalIsThatOfLinux(t *testing.T) {
	for sig, want := range map[syscall.Signal]string{syscall.SIGUSR1: "10", syscall.SIGUSR2: "12", syscall.SIGCONT: "18"} {
		spec := jobspec.Command("true").Signal(sig, time.Minute)
		if got, ok := spec.Get("shell.options.signal.signum"); !ok || string(got) != want {
			t.Errorf("%v: %s, want %s", sig, got, want)
		}
	}
}
