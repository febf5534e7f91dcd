package jobspec

import (
	"math"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/flux-sdk/flux/internal/jsontree"
)

// Duration limits the time that the job may run. It must be more than zero; see [Spec.NoTimeLimit].
func (s *Spec) Duration(d time.Duration) *Spec {
	if d <= 0 {
		return s.fail("Duration", "must be more than 0 (NoTimeLimit removes the limit)", d)
	}
	return s.put("Duration", jsontree.Seconds(d), system("duration"))
}

// NoTimeLimit lets the job run for as long as the queue and the instance allow, which is the default.
func (s *Spec) NoTimeLimit() *Spec { return s.put("NoTimeLimit", jsontree.Int(0), system("duration")) }

// Queue names the queue that the job is submitted to. An instance without named queues refuses any name.
func (s *Spec) Queue(name string) *Spec { return s.putText("Queue", name, system("queue")) }

// Bank names the bank that the job is charged to (flux-accounting).
func (s *Spec) Bank(name string) *Spec { return s.putText("Bank", name, system("bank")) }

// Name sets the name of the job, by default that of its program.
func (s *Spec) Name(name string) *Spec { return s.putText("Name", name, system("job", "name")) }

// Dir sets the working directory of the job on the hosts where it runs.
func (s *Spec) Dir(dir string) *Spec {
	s.dirErr = nil
	return s.putText("Dir", dir, system("cwd"))
}

// Signal makes the job shell send a signal to the tasks some time before the time limit of the job, as
// `flux submit --signal` does. The signal must be a syscall.Signal, as os.Interrupt and syscall.SIGUSR1 are; the jobspec
// has its number on Linux.
func (s *Spec) Signal(sig os.Signal, before time.Duration) *Spec {
	local, ok := sig.(syscall.Signal)
	n, known := linuxSignal(local)
	switch {
	case !ok || !known:
		return s.fail("Signal", "must be a syscall.Signal that Linux has", sig)
	case before <= 0:
		return s.fail("Signal", "must be sent more than 0 before the end", before)
	}
	return s.put("Signal", jsontree.NewObject(member("signum", jsontree.Int(n)),
		member("timeleft", jsontree.Seconds(before))), option("signal"))
}

// Taskmap sets how task ranks are mapped to nodes, as `flux submit --taskmap` does: a scheme such as "block",
// "cyclic", "manual" or "hostfile", and its value, which is empty for some.
func (s *Spec) Taskmap(scheme, value string) *Spec {
	if scheme == "" {
		return s.fail("Taskmap", "needs a scheme", scheme)
	}
	for _, text := range []string{scheme, value} {
		if err := jsontree.CheckString(text); err != nil {
			return s.fail("Taskmap", err.Error(), nil)
		}
	}
	return s.put("Taskmap", jsontree.NewObject(member("scheme", scheme), member("value", value)), option("taskmap"))
}

// Unlimited is the value of a resource limit that does not limit.
const Unlimited = -1

// limits are the names of resource limits that the job shell knows.
const limits = " cpu fsize data stack core nofile ofile as rss nproc memlock msgqueue nice rtprio rttime sigpending "

// RLimit sets a soft resource limit of the tasks, as `flux submit --rlimit` does. Names are those of setrlimit(2) in
// lower case and without "RLIMIT_", such as "core" and "nofile". See [Unlimited]. A limit above the hard limit on the
// host of the job has no effect there.
func (s *Spec) RLimit(name string, soft int64) *Spec {
	switch {
	case !knownLimit(name):
		return s.fail("RLimit", "must be one of"+strings.TrimRight(limits, " "), name)
	case soft < Unlimited:
		return s.fail("RLimit", "must be at least 0, or Unlimited", soft)
	}
	return s.put("RLimit", jsontree.Int(soft), option("rlimit", name))
}

func knownLimit(name string) bool {
	return name != "" && !strings.Contains(name, " ") && strings.Contains(limits, " "+name+" ")
}

// seconds reads a number of seconds as a duration. The longest duration stands for anything longer.
func seconds(v any) (time.Duration, bool) {
	f, ok := finite(v)
	switch {
	case !ok:
		return 0, false
	case f >= math.MaxInt64/float64(time.Second):
		return math.MaxInt64, true
	case f <= math.MinInt64/float64(time.Second):
		return math.MinInt64, true
	}
	return time.Duration(math.Round(f * float64(time.Second))), true
}

// TimeLimit returns how long the job may run; 0 stands for no limit. It tells whether the jobspec has a limit that
// is a number of seconds. A limit that is longer than a time.Duration holds is the longest time.Duration.
func (s *Spec) TimeLimit() (time.Duration, bool) {
	v, _ := s.lookup(system("duration")...)
	return seconds(v)
}
