package jobspec

import (
	"errors"
	"fmt"

	"github.com/flux-sdk/flux/hostlist"
	"github.com/flux-sdk/flux/idset"
	"github.com/flux-sdk/flux/internal/fluid"
)

// rankMax is the largest rank that a constraint may name. Flux's own limit is 2147483646, but a validator or scheduler
// that meets such a set is busy for minutes, and takes no other jobs; an instance cannot have this many ranks.
const rankMax = 1<<20 - 1

// checkRanks tells what is wrong with the text of a set of ranks (RFC 22).
func checkRanks(text string) error {
	ranks, err := idset.Parse(text)
	if parse, ok := errors.AsType[*idset.ParseError](err); ok {
		return fmt.Errorf("%.60q: %s", parse.Fragment, parse.Reason)
	}
	last, ok := ranks.Max()
	switch {
	case !ok:
		return errors.New("it has no members")
	case last > rankMax:
		return fmt.Errorf("must not exceed %d", rankMax)
	}
	return nil
}

// checkHostlist tells what is wrong with the text of a hostlist (RFC 29). It takes all that Flux takes, except for a
// name with more than one pair of brackets: Flux reads the second one as part of the name.
func checkHostlist(text string) error {
	hosts, err := hostlist.Parse(text)
	if err != nil && !errors.Is(err, hostlist.ErrBrackets) {
		hosts, err = hostlist.ParseLenient(text)
	}
	if parse, ok := errors.AsType[*hostlist.ParseError](err); ok {
		return fmt.Errorf("%.60q: %s", parse.Fragment, parse.Reason)
	}
	if hosts.IsEmpty() {
		return errors.New("it names no host")
	}
	return nil
}

// isJobID tells whether text is the id of a job in any spelling. It refuses the id 0, which no job has: it comes from a
// variable that was not set.
func isJobID(text string) bool {
	id, err := fluid.Parse(text)
	return err == nil && id != 0
}
