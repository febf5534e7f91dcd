package measure

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// BrokerPIDEnv names the variable with the pid of the broker to watch.
const BrokerPIDEnv = "BENCH_BROKER_PID"

// brokerCPU is the CPU time of the broker's threads, in microseconds.
type brokerCPU struct{ main, conn float64 }

// brokerThreads are the schedstat files of the two threads that matter.
var brokerThreads = sync.OnceValue(func() (paths [2]string) {
	pid := os.Getenv(BrokerPIDEnv)
	if pid == "" {
		return paths
	}
	dir := "/proc/" + pid + "/task/"
	paths[0] = dir + pid + "/schedstat"
	tasks, _ := os.ReadDir(dir)
	for _, t := range tasks {
		comm, _ := os.ReadFile(dir + t.Name() + "/comm")
		if strings.HasPrefix(string(comm), "connector-local") {
			paths[1] = dir + t.Name() + "/schedstat"
		}
	}
	return paths
})

func readBrokerCPU() brokerCPU {
	p := brokerThreads()
	return brokerCPU{main: onCPU(p[0]), conn: onCPU(p[1])}
}

// onCPU reads the time on CPU from a schedstat file; 0 without one.
func onCPU(path string) float64 {
	if path == "" {
		return 0
	}
	b, err := os.ReadFile(path)
	fields := strings.Fields(string(b))
	if err != nil || len(fields) == 0 {
		return 0
	}
	ns, _ := strconv.ParseFloat(fields[0], 64)
	return ns / 1e3
}

// RSS is the resident memory of this process in KiB; 0 where the system has no
// /proc.
func RSS() int {
	b, err := os.ReadFile("/proc/self/statm")
	fields := strings.Fields(string(b))
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.Atoi(fields[1])
	return pages * os.Getpagesize() / 1024
}

// Load is the load average of the last minute; 0 where the system has no /proc.
func Load() float64 {
	b, err := os.ReadFile("/proc/loadavg")
	fields := strings.Fields(string(b))
	if err != nil || len(fields) == 0 {
		return 0
	}
	load, _ := strconv.ParseFloat(fields[0], 64)
	return load
}

// PeakRSS is the most memory in KiB that this process has had resident.
func PeakRSS() int {
	var ru syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &ru) != nil {
		return 0
	}
	return int(ru.Maxrss)
}
