package job

import (
	"syscall"
	"testing"
)

func TestStatus(t *testing.T) {
	for _, test := range []struct {
		status   Status
		exitCode int
		signal   syscall.Signal
		signaled bool
		text     string
	}{
		{0, 0, 0, false, "task(s) exited with exit code 0"},
		{512, 2, 0, false, "task(s) exited with exit code 2"},
		{128 << 8, 128, 0, false, "task(s) exited with exit code 128"},
		{35072, 137, syscall.SIGKILL, false, "task(s) Killed"},
		{36608, 143, syscall.SIGTERM, false, "task(s) Terminated"},
		{36352, 142, syscall.SIGALRM, false, "task(s) Alarm clock"},
		{32512, 127, 0, false, "task(s) exited with exit code 127"},
		{9, 137, syscall.SIGKILL, true, "job shell Killed"},
		{15, 143, syscall.SIGTERM, true, "job shell Terminated"},
		{11 | 0x80, 139, syscall.SIGSEGV, true, "job shell Segmentation fault"},
		{(128 + 35) << 8, 163, 35, false, "task(s) Real-time signal 1"},
		{255 << 8, 255, 127, false, "task(s) Unknown signal 127"},
		{0x137f, -1, 0, false, "stopped (wait status 4991)"},
	} {
		s := test.status
		if s.ExitCode() != test.exitCode || s.Signal() != test.signal || s.Signaled() != test.signaled ||
			s.String() != test.text {
			t.Errorf("%d has exit code %d, signal %d, signaled %t, text %q; want %+v", int(s), s.ExitCode(), int(s.Signal()),
				s.Signaled(), s, test)
		}
	}
	if !Status(0).Success() || Status(512).Success() || Status(9).Success() {
		t.Error("Success is wrong")
	}
	if Status(9).CoreDump() || !Status(11|0x80).CoreDump() || Status(0x80<<8).CoreDump() {
		t.Error("CoreDump is wrong")
	}
	if Status(9).Exited() || !Status(512).Exited() || Status(0x137f).Exited() {
		t.Error("Exited is wrong")
	}
}

func TestMakeStatus(t *testing.T) {
	for code := range 256 {
		if s := ExitStatus(code); s.ExitCode() != code || !s.Exited() {
			t.Errorf("ExitStatus(%d) is %d", code, int(s))
		}
	}
	for n := 1; n <= 64; n++ {
		if s := SignalStatus(syscall.Signal(n)); s.Signal() != syscall.Signal(n) || !s.Signaled() || s.Exited() {
			t.Errorf("SignalStatus(%d) is %d", n, int(s))
		}
		if s := ExitStatus(128 + n); s.Signal() != syscall.Signal(n) || s.Signaled() {
			t.Errorf("ExitStatus(%d) is %d", 128+n, int(s))
		}
	}
}
