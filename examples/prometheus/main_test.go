package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flux-sdk/flux/fluxtest"
)

func TestDemo(t *testing.T) {
	var out bytes.Buffer
	if err := demo(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"flux_client_connected 1\n",
		"# TYPE flux_client_messages_sent_total counter\n",
		"flux_client_responses_total 1\n",
		"flux_client_requests_waiting 0\n",
		"flux_client_reconnects_total 0\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no line %q in:\n%s", want, out.String())
		}
	}
}

// The exporter has a page that leads to the metrics, and ends at SIGTERM as at
// Ctrl-C.
func TestExporter(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no such signals: the end of the exporter is not tested")
	}
	program := filepath.Join(t.TempDir(), "prometheus.exe")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		broker := fluxtest.New(t, fluxtest.AllowLeaks())
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, program, "-listen", "127.0.0.1:0")
		cmd.Env = append(os.Environ(), "FLUX_URI="+broker.URI())
		stderr, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(stderr).ReadString('\n')
		_, url, found := strings.Cut(strings.TrimSpace(line), "Ctrl-C: ")
		if err != nil || !found {
			t.Fatalf("it says %q, error %v", line, err)
		}
		page, err := scrape(ctx, strings.TrimSuffix(url, "metrics"))
		if err != nil || !strings.Contains(page, `<a href="/metrics">`) {
			t.Errorf("/ is %q, error %v", page, err)
		}
		if err := scrapeUntil(ctx, url, "flux_client_connected 1\n", io.Discard); err != nil {
			t.Error(err)
		}
		if err := cmd.Process.Signal(signal); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %v", signal, err)
		}
	}
}
