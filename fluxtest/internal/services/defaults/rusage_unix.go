//go:build unix

package defaults

import "syscall"

// usage is what this process has used, or its children. Threads are not told
// apart.
func usage(of string) resources {
	who := syscall.RUSAGE_SELF
	if of == "children" {
		who = syscall.RUSAGE_CHILDREN
	}
	var u syscall.Rusage
	syscall.Getrusage(who, &u)
	seconds := func(t syscall.Timeval) float64 { return float64(t.Nano()) / 1e9 }
	return resources{
		seconds(u.Utime), seconds(u.Stime), int64(u.Maxrss), int64(u.Ixrss), int64(u.Idrss), int64(u.Isrss),
		int64(u.Minflt), int64(u.Majflt), int64(u.Nswap), int64(u.Inblock), int64(u.Oublock),
		int64(u.Msgsnd), int64(u.Msgrcv), int64(u.Nsignals), int64(u.Nvcsw), int64(u.Nivcsw),
	}
}
