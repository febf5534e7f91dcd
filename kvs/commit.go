package kvs

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/flux-sdk/flux"
)

// place is where the requests of a Store are served: what is known of it.
type place struct{ known atomic.Int32 }

const (
	atRoot      = 1 // at rank 0
	atOtherRank = 2
)

func (p *place) set(root bool) {
	if root {
		p.known.Store(atRoot)
	} else {
		p.known.Store(atOtherRank)
	}
}

// isRoot says whether the requests of s are served at rank 0. It asks once.
func (s *Store) isRoot(ctx context.Context) (bool, error) {
	switch s.at.known.Load() {
	case atRoot:
		return true, nil
	case atOtherRank:
		return false, nil
	}
	var attr struct {
		Value string `json:"value"`
	}
	err := call(ctx, s.conn, "attr.get", map[string]string{"name": "rank"}, &attr)
	if err != nil {
		return false, err
	}
	s.at.set(attr.Value == "0")
	return attr.Value == "0", nil
}

// sendCommit makes a commit and returns its version.
//
// The service of a rank other than 0 answers a commit with the version before it: it answers first and takes over the
// new root after that. So the commit is sent to rank 0, which answers with its own version, and then this rank is made
// to have it.
func (s *Store) sendCommit(ctx context.Context, payload []byte) (answer commitAnswer, err error) {
	root, err := s.isRoot(ctx)
	if err != nil {
		return answer, err
	}
	if root {
		err = s.call(ctx, "kvs.commit", payload, &answer)
		return answer, err
	}
	if err := call(ctx, s.conn, "kvs.commit", payload, &answer, flux.Rank(0)); err != nil {
		return answer, err
	}
	if err := s.WaitVersion(ctx, answer.RootSeq); err != nil {
		return answer, &madeError{err}
	}
	return answer, nil
}

// madeError is the error of what came after a commit that was made. It matches what its cause matches, but does not
// unwrap to it: flux.SafeToRetry must not see that the request that failed is safe to repeat.
type madeError struct{ cause error }

func (e *madeError) Error() string {
	return "the commit was made, but this rank may not have it yet: " + e.cause.Error()
}

func (e *madeError) Is(target error) bool { return errors.Is(e.cause, target) }
