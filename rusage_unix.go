//go:build unix

package flux

import "syscall"

// rusage is what getrusage(2) says of this process or of its children.
func rusage(who string) (map[string]any, bool) {
	target, ok := map[string]int{"self": syscall.RUSAGE_SELF, "children": syscall.RUSAGE_CHILDREN}[who]
	if !ok {
		return nil, false
	}
	var u syscall.Rusage
	if err := syscall.Getrusage(target, &u); err != nil {
		return nil, false
	}
	return map[string]any{
		"utime": float64(u.Utime.Nano()) / 1e9, "stime": float64(u.Stime.Nano()) / 1e9,
		"maxrss": u.Maxrss, "ixrss": u.Ixrss, "idrss": u.Idrss, "isrss": u.Isrss,
		"minflt": u.Minflt, "majflt": u.Majflt, "nswap": u.Nswap,
		"inblock": u.Inblock, "oublock": u.Oublock, "msgsnd": u.Msgsnd, "msgrcv": u.Msgrcv,
		"nsignals": u.Nsignals, "nvcsw": u.Nvcsw, "nivcsw": u.Nivcsw,
	}, true
}
