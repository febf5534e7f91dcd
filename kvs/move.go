package kvs

import (
	"context"
	"fmt"
	"strings"
)

// Copy copies a key, with all that is below it, and returns the version that has the copy. What was at dst goes. The
// cost does not depend on how much there is, because both keys then refer to the same content. A link is copied as a
// link.
func (s *Store) Copy(ctx context.Context, src, dst string) (Version, error) {
	return s.CopyTo(ctx, src, s, dst)
}

// CopyTo is [Store.Copy] to a key of another namespace. A link that stays in its namespace then points to the key with
// the same name in the other one. s may be a snapshot.
func (s *Store) CopyTo(ctx context.Context, src string, to *Store, dst string) (Version, error) {
	o, err := s.lookup(ctx, src, flagTreeObject)
	if err != nil {
		return 0, s.fail("copy", src, err)
	}
	return to.named("copy", src, to.Txn()).add(dst, 0, &o).Commit(ctx)
}

// Move renames a key, with all that is below it, and returns the version that has the new name. What was at dst goes.
// The old name goes and the new one comes in one commit. A change to src between the reading and that commit is lost.
func (s *Store) Move(ctx context.Context, src, dst string) (Version, error) {
	from, err := cleanWriteKey(src)
	var to string
	if err == nil {
		to, err = cleanWriteKey(dst)
	}
	switch {
	case err != nil:
	case from == to:
		err = fmt.Errorf("%w: it cannot be moved to itself", ErrKey)
	case strings.HasPrefix(to, from+"."):
		err = fmt.Errorf("%w: it cannot be moved to %q, which is below it", ErrKey, to)
	case strings.HasPrefix(from, to+"."):
		err = fmt.Errorf("%w: it cannot be moved to %q, which it is in", ErrKey, to)
	}
	if err != nil {
		return 0, s.fail("move", src, err)
	}
	o, err := s.lookup(ctx, from, flagTreeObject)
	if err != nil {
		return 0, s.fail("move", src, err)
	}
	return s.named("move", src, s.Txn()).add(to, 0, &o).Delete(from).Commit(ctx)
}
