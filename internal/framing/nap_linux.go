package framing

import (
	"syscall"
	"time"
)

// nap waits for less than a millisecond. The runtime's timers are not for
// that: in a process with nothing else to do they have its poller's resolution,
// a millisecond.
func nap(d time.Duration) {
	ts := syscall.NsecToTimespec(int64(d))
	syscall.Nanosleep(&ts, nil) // one that is interrupted was long enough
}
