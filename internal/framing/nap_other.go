//go:build !linux

package framing

import "time"

// nap waits for less than a millisecond, or as long as the timers take.
func nap(d time.Duration) { time.Sleep(d) }
