package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/flux-sdk/flux"
	"github.com/spf13/cobra"
)

// version is set by a release's linker flags; without it the build tells.
var version = ""

func (a *app) versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program, and of the broker if there is one",
		Long: `Version prints the version of this program and, if --uri or $FLUX_URI names a
broker that answers within a second, the broker's.`,
		Example: `  flux-rpc version
  flux-rpc version --json | jq -r .broker`,
		Args: wantArgs(0, 0),
	}
	a.jsonFlag(cmd, "print a JSON object")
	cmd.RunE = a.run(func(ctx context.Context, _ []string) error { return a.version(ctx) })
	return cmd
}

// brokerWait is how long a broker may take to tell its version.
const brokerWait = time.Second

func (a *app) version(ctx context.Context) error {
	v := struct {
		Version  string `json:"version"`
		Go       string `json:"go"`
		Platform string `json:"platform"`
		Broker   string `json:"broker,omitempty"`
	}{programVersion(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH, a.brokerVersion(ctx)}
	if a.json {
		return a.out.object(v)
	}
	if err := a.out.printf("flux-rpc %s (%s, %s)\n", v.Version, v.Go, v.Platform); err != nil || v.Broker == "" {
		return err
	}
	return a.out.printf("broker   %s\n", v.Broker)
}

func programVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

func (a *app) brokerVersion(ctx context.Context) string {
	if _, ok := os.LookupEnv("FLUX_URI"); !ok && a.uri == "" {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, brokerWait)
	defer cancel()
	c, err := a.dial(ctx)
	if err != nil {
		return ""
	}
	defer c.Close()
	v, err := flux.CallAs[attrValue](ctx, c, "attr.get", map[string]string{"name": "version"})
	if err != nil {
		return ""
	}
	return v.Value
}
