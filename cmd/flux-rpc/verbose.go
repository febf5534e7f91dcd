package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/codec"
	"github.com/spf13/cobra"
)

// verboseFlag adds -v, which shows the header of each message on standard error.
func (a *app) verboseFlag(cmd *cobra.Command, also string) {
	cmd.Flags().BoolVarP(&a.verbose, "verbose", "v", false, "show the header of each message on standard error"+also)
}

// verboseOption makes a client show the headers of its requests and of the responses to its calls.
func (a *app) verboseOption() flux.DialOption {
	return flux.WithInterceptors(flux.InterceptorFuncs{
		Call: func(next flux.CallFunc) flux.CallFunc {
			return func(ctx context.Context, m *codec.Message) (flux.Response, error) {
				a.noteHeader(">", m)
				r, err := next(ctx, m)
				a.noteHeader("<", r.Message())
				return r, err
			}
		},
		Stream: func(next flux.StreamFunc) flux.StreamFunc {
			return func(ctx context.Context, m *codec.Message) (<-chan flux.Response, error) {
				a.noteHeader(">", m)
				return next(ctx, m)
			}
		},
	})
}

// noteHeader shows the header of a message. A nil message, as that of an error of this side, shows nothing.
func (a *app) noteHeader(mark string, m *codec.Message) {
	if m != nil {
		a.note("%s %s", mark, header(m))
	}
}

// header describes the fields of a message's header (RFC 3), those without a value left out.
func header(m *codec.Message) string {
	words := []string{m.Type.String(), oneLine(m.Topic)}
	add := func(format string, args ...any) { words = append(words, fmt.Sprintf(format, args...)) }
	if m.Matchtag != codec.MatchtagNone {
		add("matchtag=%d", m.Matchtag)
	}
	switch m.Type {
	case codec.TypeRequest:
		if m.NodeID == codec.NodeAny {
			add("nodeid=any")
		} else {
			add("nodeid=%d", m.NodeID)
		}
	case codec.TypeResponse:
		add("errnum=%d", m.Errnum)
		if m.Errnum != 0 {
			add("(%s)", flux.Errno(m.Errnum).Name())
		}
	case codec.TypeEvent:
		add("sequence=%d", m.Sequence)
	}
	if m.UserID == codec.UserIDUnknown {
		add("userid=unset") // the broker fills it in
	} else {
		add("userid=%d rolemask=%d (%s)", m.UserID, m.Rolemask, flux.Role(m.Rolemask))
	}
	if flags := messageFlags(m); flags != 0 {
		add("flags=%s", flags)
	}
	add("payload=%d bytes", len(m.Payload))
	return strings.Join(words, " ")
}

// messageFlags are the flags with which a message is sent. The encoder sets some that are not there before.
func messageFlags(m *codec.Message) codec.Flags {
	flags := m.Flags
	if m.Topic != "" {
		flags |= codec.FlagTopic
	}
	if len(m.Payload) > 0 {
		flags |= codec.FlagPayload
	}
	return flags
}
