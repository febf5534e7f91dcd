// Command flux-rpc talks to a Flux broker from the command line: it calls
// services, follows streams and events, serves requests with any program,
// measures, and records conversations. Its name lets "flux rpc" find it when it
// is in a directory of FLUX_EXEC_PATH.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// With a handler installed a write to a pipe without a reader is an error
	// here and children still die of it; ignoring the signal would pass to them.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	os.Exit(newApp(os.Stdout, os.Stderr).execute(os.Args[1:]))
}
