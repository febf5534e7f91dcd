package main

import (
	"runtime/debug"
	"testing"
)

func TestBuildVersion(t *testing.T) {
	revision := debug.BuildSetting{Key: "vcs.revision", Value: "0123456789abcdef0123456789abcdef01234567"}
	modified := debug.BuildSetting{Key: "vcs.modified", Value: "true"}
	clean := debug.BuildSetting{Key: "vcs.modified", Value: "false"}
	for _, c := range []struct {
		module   string
		settings []debug.BuildSetting
		want     string
	}{
		{"v0.1.0", nil, "v0.1.0"}, // go install ...@v0.1.0
		{"v0.1.1-0.20261128180121-0123456789ab+dirty", []debug.BuildSetting{revision, modified}, "v0.1.1-0.20261128180121-0123456789ab+dirty"},
		{"(devel)", []debug.BuildSetting{revision, clean}, "devel-0123456789ab"},
		{"", []debug.BuildSetting{revision, modified}, "devel-0123456789ab+dirty"},
		{"(devel)", nil, "(devel)"}, // go build -buildvcs=false, or no repository
		{"", []debug.BuildSetting{{Key: "vcs.revision", Value: "1"}}, "devel-1"},
	} {
		info := &debug.BuildInfo{Main: debug.Module{Version: c.module}, Settings: c.settings}
		if got := buildVersion(info); got != c.want {
			t.Errorf("%q, %v: %s, want %s", c.module, c.settings, got, c.want)
		}
	}
}
