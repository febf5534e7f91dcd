// Package fluxpython lets a test ask Flux's own Python classes, in one process that lives as long as the test.
package fluxpython

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"testing"
)

// loop follows the script of the test. The script defines handle(request), whose result becomes the answer.
const loop = `
import json, sys
for line in sys.stdin:
    try:
        answer = {"result": handle(json.loads(line))}
    except Exception as error:
        answer = {"error": type(error).__name__ + ": " + str(error)}
    print(json.dumps(answer), flush=True)
`

// Process is a running script. It is used by one goroutine.
type Process struct {
	tb  testing.TB
	enc *json.Encoder
	dec *json.Decoder
}

// Error is an exception that the script raised.
type Error string

func (e Error) Error() string { return string(e) }

// Start runs the script under "flux python" until the test ends. It skips the test where flux is not installed;
// what says what is not tested then.
func Start(tb testing.TB, script, what string) *Process {
	tb.Helper()
	return StartEnv(tb, script, what, nil)
}

// StartEnv is Start with the environment of the process, in the form of os.Environ; nil is that of this process.
func StartEnv(tb testing.TB, script, what string, environ []string) *Process {
	tb.Helper()
	flux, err := exec.LookPath("flux")
	if err != nil {
		tb.Skipf("flux is not on PATH: not tested: %s", what)
	}
	cmd := exec.Command(flux, "python", "-c", fastest+script+loop)
	cmd.Stderr = os.Stderr
	cmd.Env = environ
	in, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			tb.Errorf("flux python: %v", err)
		}
	})
	return &Process{tb: tb, enc: json.NewEncoder(in), dec: json.NewDecoder(bufio.NewReader(out))}
}

// Call sends request to the script and stores its answer in result. It returns an [Error] if the script raised one.
func (p *Process) Call(request, result any) error {
	p.tb.Helper()
	if err := p.enc.Encode(request); err != nil {
		p.tb.Fatalf("to flux python: %v", err)
	}
	var answer struct {
		Result json.RawMessage `json:"result"`
		Error  *string         `json:"error"`
	}
	if err := p.dec.Decode(&answer); err != nil {
		p.tb.Fatalf("from flux python, after %v: %v", request, err)
	}
	if answer.Error != nil {
		return Error(*answer.Error)
	}
	if err := json.Unmarshal(answer.Result, result); err != nil {
		p.tb.Fatalf("answer %s of flux python to %v: %v", answer.Result, request, err)
	}
	return nil
}

// MustCall is Call for requests that the script has no reason to refuse.
func (p *Process) MustCall(request, result any) {
	p.tb.Helper()
	if err := p.Call(request, result); err != nil {
		p.tb.Fatalf("flux python refused %v: %v", request, err)
	}
}
