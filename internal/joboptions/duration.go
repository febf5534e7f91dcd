package joboptions

import (
	"errors"
	"time"

	"github.com/flux-sdk/flux/job"
)

var errDuration = errors.New("invalid Flux standard duration")

// parseDuration reads a finite Flux standard duration (RFC 23). Its error is worded as that of the commands.
func parseDuration(text string) (time.Duration, error) {
	d, err := job.ParseDuration(text)
	if err != nil || d == job.Forever {
		return 0, errDuration
	}
	return d, nil
}
