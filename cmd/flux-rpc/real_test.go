package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flux-sdk/flux/fluxtest"
)

// fluxRPC runs "flux rpc ..." as a user does who put the program into a
// directory of FLUX_EXEC_PATH.
func fluxRPC(t *testing.T, uri string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	program, err := exec.LookPath("flux-rpc")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "flux", append([]string{"rpc"}, args...)...)
	cmd.Env = append(os.Environ(), "FLUX_URI="+uri, "FLUX_EXEC_PATH="+filepath.Dir(program))
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// In a real instance, found by flux itself.
func TestReal(t *testing.T) {
	uri := fluxtest.Real(t, 4).URI()
	for _, c := range []struct {
		args           []string
		stdout, stderr string // parts
		status         int
	}{
		{[]string{"call", "attr.get", `{"name":"rank"}`}, "{\"value\":\"0\",\"flags\":1}\n", "", 0},
		{[]string{"call", "attr.get", `{"name":"nope"}`}, "", "attr.get: No such file or directory (ENOENT)\n", 1},
		{[]string{"call", "attr.get", `{"name":"nope"}`, "--expect-errno", "ENOENT"}, "", "", 0},
		{[]string{"call", "attr.get", "nope"}, "", "is not a JSON object, such as", 2},
		{[]string{"call", "broker.ping", "{}", "--rank", "3"}, `"rank":3`, "", 0},
		{[]string{"call", "kvs.lookup", `{"key":"nope","namespace":"primary","flags":0}`},
			"", "kvs.lookup: No such file or directory (ENOENT)", 1},
		{[]string{"call", "kvs.lookup", "key=nope", "namespace=primary", "flags:=0"}, "", "(ENOENT)", 1},
		{[]string{"call", "kvs.getroot", "namespace=primary", "-v"},
			`"rootref"`, "< response kvs.getroot matchtag=1 errnum=0", 0},
		{[]string{"call", "attr.get", "name=rank", "--rank", "all"}, "", "want its rank", 2},
		{[]string{"call", "--help"}, "KEY=VALUE", "", 0},
		{[]string{"sub", "no.such.event", "--timeout", "100ms"}, "", "", 0},
		{[]string{"sub", "heartbeat", "--time", "--count", "1"}, "Z\theartbeat.pulse\t", "", 0},
		{[]string{"top", "--count", "2", "--interval", "200ms"}, "job-manager", "", 0},
		{[]string{"top", "--count", "1", "--rank", "3"}, "rank 3 of 4", "", 0},
		{[]string{"serve", "kvs", "--exec", "true"}, "", "service.add: ", 1},
		{[]string{"stream", "attr.get", "name=rank", "--timeout", "300ms"}, `"value":"0"`, "no end within 300ms", 1},
		{[]string{"--version"}, "flux-rpc ", "", 0},
		{[]string{"__complete", "call", "job-"}, "job-ingest.\n", "", 0},
		{[]string{"__complete", "ping", "3!"}, "3!job-manager\n", "", 0},
		{[]string{"stream", "log.dmesg", `{"follow":false}`, "--count", "1"}, "broker", "", 0},
		{[]string{"stream", "log.dmesg", `{"follow":true}`, "--count", "1"}, "broker", "", 0},
		{[]string{"sub", "heartbeat", "--count", "1"}, "heartbeat.pulse\t", "", 0},
		{[]string{"pub", "x.y", `{"a":1}`, "--json"}, `{"seq":`, "", 0},
		{[]string{"ping", "3!kvs", "--count", "2", "--interval", "1ms"}, "kvs.ping rank=3 seq=1", "", 0},
		{[]string{"bench", "--depths", "1,16", "--duration", "100ms"}, "calls per second\n", "", 0},
		{[]string{"attr", "size"}, "4\n", "", 0},
		{[]string{"attr", "log-stderr-level", "4"}, "", "", 0},
		{[]string{"attr"}, "rank\t0\n", "", 0},
		{[]string{"services"}, "sched-simple", "", 0},
		{[]string{"services", "sched", "attr"}, "attr\tserved\n", "", 0},
		{[]string{"services", "nope"}, "nope\tnot served\n", "", 1},
		{[]string{"version"}, "broker   0.", "", 0},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			stdout, stderr, status := fluxRPC(t, uri, c.args...)
			if !strings.Contains(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) || status != c.status {
				t.Errorf("status %d, stdout %q, stderr %q; want %d, %q, %q",
					status, stdout, stderr, c.status, c.stdout, c.stderr)
			}
		})
	}
}

// A service of ours, called by another client of a real broker.
func TestRealServe(t *testing.T) {
	uri := fluxtest.Real(t, 2).URI()
	serve := exec.CommandContext(t.Context(), "flux-rpc", "--uri", uri, "serve", "calc", "-v", "--exec", "cat")
	stderr, err := serve.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 64)
	n, err := stderr.Read(line) // when it is ready
	if err != nil || string(line[:n]) != "serving calc\n" {
		t.Fatalf("%q, %v", line[:n], err)
	}
	if stdout, stderr, status := fluxRPC(t, uri, "call", "calc.x", `{"a":1}`); stdout != "{\"a\":1}\n" || status != 0 {
		t.Errorf("%q, %q, status %d", stdout, stderr, status)
	}
	if err := serve.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := serve.Wait(); err != nil {
		t.Error(err)
	}
}
