package flux

import "github.com/flux-sdk/flux/internal/wiretrace"

// Role is a set of the roles a message's sender has (RFC 12).
type Role uint32

// The roles. A service lets a request through if any of the sender's roles is
// among those allowed.
const (
	RoleOwner Role = 1          // the user who runs the instance
	RoleUser  Role = 2          // a guest
	RoleLocal Role = 4          // connected to this very broker
	RoleAdmin Role = 8          // configured in access.roles
	RoleAll   Role = 0xffffffff // everybody
	RoleNone  Role = 0
)

// String names the roles, separated by commas: "owner,local".
func (r Role) String() string { return wiretrace.Roles(uint32(r)) }
