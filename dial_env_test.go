package flux

import (
	"strings"
	"testing"

	"github.com/flux-sdk/flux/codec"
)

func TestDialHandleVariables(t *testing.T) {
	const none = codec.UserIDUnknown
	for _, tt := range []struct {
		name          string
		userid, roles string // "-" is unset
		opts          []DialOption
		wantUser      uint32
		wantRoles     Role
	}{
		{"unset", "-", "-", nil, none, RoleNone},
		{"userid", "1234", "-", nil, 1234, RoleNone},
		{"userid 0", "0", "-", nil, 0, RoleNone},
		{"largest userid", "4294967294", "-", nil, 4294967294, RoleNone},
		{"roles", "-", "2", nil, none, RoleUser},
		{"roles in hex", "-", "0x6", nil, none, RoleUser | RoleLocal},
		{"roles in octal", "-", "010", nil, none, RoleAdmin},
		{"both", "42", "0xffffffff", nil, 42, RoleAll},
		{"options win", "42", "2", []DialOption{WithUserID(7), WithRoles(RoleAdmin)}, 7, RoleAdmin},
		{"one option", "42", "2", []DialOption{WithRoles(RoleAdmin)}, 42, RoleAdmin},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dialAlone(t)
			for name, value := range map[string]string{"FLUX_HANDLE_USERID": tt.userid, "FLUX_HANDLE_ROLEMASK": tt.roles} {
				if value != "-" {
					t.Setenv(name, value)
				}
			}
			uri, conns := welcome(t)
			c, p := dialPeer(t, uri, conns, tt.opts...)
			// They are read at Dial.
			t.Setenv("FLUX_HANDLE_USERID", "99")
			t.Setenv("FLUX_HANDLE_ROLEMASK", "99")
			if err := c.Notify(t.Context(), "a.b", nil); err != nil {
				t.Fatal(err)
			}
			m := p.recv()
			if m.UserID != tt.wantUser || Role(m.Rolemask) != tt.wantRoles {
				t.Errorf("request is of %d, %s, want %d, %s", int32(m.UserID), Role(m.Rolemask), int32(tt.wantUser), tt.wantRoles)
			}
		})
	}
}

func TestDialHandleVariablesInvalid(t *testing.T) {
	for name, values := range map[string][]string{
		"FLUX_HANDLE_USERID": {"root", "-1", "4294967296", "0x10"}, "FLUX_HANDLE_ROLEMASK": {"owner", "-1", "0x100000000"},
	} {
		for _, value := range values {
			t.Run(name+"="+value, func(t *testing.T) {
				dialAlone(t)
				t.Setenv(name, value)
				_, err := Dial(t.Context(), "loop://")
				wantErr(t, err, EINVAL)
				if !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), value) {
					t.Errorf("error %q does not name %s and %s", err, name, value)
				}
			})
		}
	}
}
