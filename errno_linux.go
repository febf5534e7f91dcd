//go:build linux && !mips && !mipsle && !mips64 && !mips64le

package flux

import "syscall"

// errnoOfHost is the identity: the wire uses Linux numbers.
func errnoOfHost(e syscall.Errno) Errno { return Errno(e) }
