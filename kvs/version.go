package kvs

import (
	"context"
	"fmt"
	"math"
)

// Version numbers the roots of a namespace in the order of its commits, from 0. A larger one is newer. Versions of
// different namespaces have nothing to do with each other.
type Version int64

// Root is the root of a namespace at one version.
type Root struct {
	Namespace string
	Version   Version
	Ref       BlobRef // of the root directory
	Owner     uint32  // user ID that the namespace belongs to
	Flags     int     // that it was created with
}

type rootAnswer struct {
	Namespace string  `json:"namespace"`
	Owner     int64   `json:"owner"`
	RootSeq   Version `json:"rootseq"`
	RootRef   BlobRef `json:"rootref"`
	Flags     int     `json:"flags"`
}

type namespaceRequest struct {
	Namespace string `json:"namespace"`
}

// Root returns the current root, as the asked rank knows it (flux_kvs_getroot(3)).
func (s *Store) Root(ctx context.Context) (Root, error) {
	if s.err != nil {
		return Root{}, s.fail("root", "", s.err)
	}
	var answer rootAnswer
	err := s.call(ctx, "kvs.getroot", namespaceRequest{s.namespace}, &answer)
	if err == nil {
		err = answer.RootRef.check()
	}
	if err != nil {
		return Root{}, s.fail("root", "", err)
	}
	// The service writes the owner as a signed number.
	return Root{answer.Namespace, answer.RootSeq, answer.RootRef, uint32(answer.Owner), answer.Flags}, nil
}

// Version returns the current version, as the asked rank knows it.
func (s *Store) Version(ctx context.Context) (Version, error) {
	r, err := s.Root(ctx)
	return r.Version, err
}

// WaitVersion waits until the asked rank has version v or a newer one. After that, reads through this store see what
// the commit that returned v wrote, whatever rank that was made at. It waits for a version that nobody has made yet;
// give ctx a deadline. There is another reason for one: a rank where a namespace is first used at the moment of a
// commit may miss that commit and learn of it with the next one (seen with 0.88). The error matches [ErrNoNamespace]
// if the namespace is removed meanwhile.
func (s *Store) WaitVersion(ctx context.Context, v Version) error {
	err := s.err
	if err == nil && (v < 0 || v > math.MaxInt32) {
		err = fmt.Errorf("version %d: a version is between 0 and %d", v, math.MaxInt32)
	}
	if err == nil {
		err = s.call(ctx, "kvs.wait-version", struct {
			RootSeq   Version `json:"rootseq"`
			Namespace string  `json:"namespace"`
		}{v, s.namespace}, nil)
	}
	return s.fail("wait-version", "", err)
}

// Snapshot returns a Store that reads the current root, whatever is committed later. It cannot be written or watched.
// A link into another namespace leads to what is current there. The root stays readable for as long as its content is
// kept, which is for the life of the instance unless that collects garbage.
func (s *Store) Snapshot(ctx context.Context) (*Store, error) {
	if s.root != "" {
		return s, nil
	}
	r, err := s.Root(ctx)
	if err != nil {
		return nil, err
	}
	return s.At(r.Ref), nil
}

// At is a Snapshot of the root with this reference, such as [Root] has. Nothing is sent; a reference that is not one
// of a root is an error of the first read.
func (s *Store) At(root BlobRef) *Store {
	t := *s
	t.root = root
	if t.err == nil {
		t.err = root.check()
	}
	return &t
}
