package kvs

import (
	"context"
	"fmt"
	"strings"

	"github.com/flux-sdk/flux"
)

// NamespaceOption changes what CreateNamespace makes.
type NamespaceOption func(*createRequest)

// Owner gives the namespace to a user, who may then read and write it as a guest of the instance. Without it the
// instance owner has it.
func Owner(userid uint32) NamespaceOption {
	return func(r *createRequest) { r.Owner = int64(userid) }
}

// StartAt makes the namespace start with an existing root, such as the Ref of a [Root], instead of an empty one.
func StartAt(root BlobRef) NamespaceOption {
	return func(r *createRequest) { r.RootRef = root }
}

type createRequest struct {
	Namespace string  `json:"namespace"`
	RootRef   BlobRef `json:"rootref"`
	Owner     int64   `json:"owner"`
	Flags     int     `json:"flags"`
}

// CreateNamespace makes a namespace. Only the instance owner may. The error matches flux.EEXIST if there is one with
// this name. The namespace lives until RemoveNamespace or the end of the instance.
func CreateNamespace(ctx context.Context, c flux.Caller, name string, opts ...NamespaceOption) error {
	return namespaceError("create namespace", name, createNamespace(ctx, c, name, opts))
}

func createNamespace(ctx context.Context, c flux.Caller, name string, opts []NamespaceOption) error {
	if err := checkNamespace(name); err != nil {
		return err
	}
	req := createRequest{Namespace: name, Owner: -1}
	for _, opt := range opts {
		opt(&req)
	}
	if req.RootRef == "" {
		// The reference of the empty directory depends on the hash that the instance uses.
		var attr struct {
			Value string `json:"value"`
		}
		if err := call(ctx, c, "attr.get", map[string]string{"name": "content.hash"}, &attr); err != nil {
			return err
		}
		ref, err := RefOf(attr.Value, emptyDir)
		if err != nil {
			return err
		}
		req.RootRef = ref
	} else if err := req.RootRef.check(); err != nil {
		return err // the service would accept it, and no read would work
	}
	return call(ctx, c, "kvs.namespace-create", req, nil, flux.Rank(0))
}

// RemoveNamespace removes a namespace. Only the instance owner may. It is no error if there is none with this name. The
// primary one cannot be removed: flux.EOPNOTSUPP.
func RemoveNamespace(ctx context.Context, c flux.Caller, name string) error {
	err := checkNamespace(name)
	if err == nil {
		err = call(ctx, c, "kvs.namespace-remove", namespaceRequest{name}, nil, flux.Rank(0))
	}
	if remoteErrno(err) == flux.EOPNOTSUPP && strings.EqualFold(name, primary) {
		err = &meaning{text: "the primary namespace cannot be removed", err: err}
	}
	return namespaceError("remove namespace", name, err)
}

// NamespaceInfo describes a namespace.
type NamespaceInfo struct {
	Name  string `json:"namespace"`
	Owner uint32 `json:"-"` // user ID
	Flags int    `json:"flags"`
}

// Namespaces returns the namespaces of the instance, in no particular order. Only the instance owner may ask.
func Namespaces(ctx context.Context, c flux.Caller) ([]NamespaceInfo, error) {
	var answer struct {
		Namespaces []struct {
			NamespaceInfo
			Owner int64 `json:"owner"` // signed, as the service writes it
		} `json:"namespaces"`
	}
	// Rank 0 has all of them. Another rank lists those that were used there.
	if err := call(ctx, c, "kvs.namespace-list", nil, &answer, flux.Rank(0)); err != nil {
		return nil, namespaceError("list namespaces", "", err)
	}
	list := make([]NamespaceInfo, len(answer.Namespaces))
	for i, n := range answer.Namespaces {
		list[i] = n.NamespaceInfo
		list[i].Owner = uint32(n.Owner)
	}
	return list, nil
}

func namespaceError(op, name string, err error) error {
	if err == nil {
		return nil
	}
	if remoteErrno(err) == flux.EPERM {
		err = fmt.Errorf("only the instance owner may: %w", err)
	}
	return &Error{Op: op, Namespace: name, Err: err}
}
