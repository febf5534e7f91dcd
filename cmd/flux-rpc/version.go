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
broker that answers within a second, the broker's. A build that is no release has
the version that Go makes of its revision, or the revision alone; +dirty says that
the sources had been changed. With --version only the program's is printed.`,
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

// programVersion is the version of the module, or without one the revision it was built from.
func programVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return develVersion
	}
	return buildVersion(info)
}

// develVersion is the version of a build that says nothing about itself, as Go has it.
const develVersion = "(devel)"

// revisionDigits is how much of a revision is shown. Go shows as much in the versions that it makes of revisions.
const revisionDigits = 12

func buildVersion(info *debug.BuildInfo) string {
	if v := info.Main.Version; v != "" && v != develVersion {
		return v
	}
	settings := make(map[string]string)
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	revision := settings["vcs.revision"]
	if revision == "" {
		return develVersion
	}
	v := "devel-" + revision[:min(len(revision), revisionDigits)]
	if settings["vcs.modified"] == "true" {
		v += "+dirty"
	}
	return v
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
