package joboptions

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flux-sdk/flux/internal/envrules"
)

// notPropagated are the limits that jobs do not get unless a rule asks for them.
var notPropagated = []string{"memlock", "ofile", "msgqueue", "nice", "rtprio", "rttime", "sigpending"}

// filterLimits applies rules to the limits of the process: -PATTERN leaves out, PATTERN takes the present value, and
// NAME=VALUE sets.
func filterLimits(rules []string, process []Limit) ([]Limit, error) {
	var limits []Limit
	for _, l := range process {
		if !slices.Contains(notPropagated, l.Name) {
			limits = append(limits, l)
		}
	}
	set := func(l Limit) {
		if i := slices.IndexFunc(limits, func(have Limit) bool { return have.Name == l.Name }); i >= 0 {
			limits[i] = l
		} else {
			limits = append(limits, l)
		}
	}
	for _, rule := range rules {
		if pattern, ok := strings.CutPrefix(rule, "-"); ok {
			limits = slices.DeleteFunc(limits, func(l Limit) bool {
				return envrules.MatchGlob(strings.ToLower(pattern), l.Name)
			})
			continue
		}
		name, value, assigned := strings.Cut(rule, "=")
		found := false
		for _, l := range process {
			if envrules.MatchGlob(strings.ToLower(name), l.Name) {
				found = true
				if !assigned {
					set(l)
				}
			}
		}
		switch {
		case !assigned && !found:
			return nil, fmt.Errorf(`No corresponding rlimit matching "%s"`, strings.ToLower(name))
		case !assigned:
			continue
		case !known(strings.ToLower(name)):
			return nil, fmt.Errorf(`Invalid rlimit "%s"`, name)
		}
		soft := -1
		if value != "unlimited" && value != "infinity" && value != "inf" {
			var ok bool
			if soft, ok = pythonInt(value); !ok {
				return nil, fmt.Errorf("Invalid value in %s=%s", name, value)
			}
		}
		set(Limit{strings.ToLower(name), int64(soft)})
	}
	return limits, nil
}

// known tells whether there is a limit of this name on Linux.
func known(name string) bool {
	return slices.Contains([]string{"cpu", "fsize", "data", "stack", "core", "nofile", "as", "rss", "nproc"}, name) ||
		slices.Contains(notPropagated, name)
}
