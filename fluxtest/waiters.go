package fluxtest

import (
	"slices"

	"github.com/flux-sdk/flux/codec"
)

// requests are those of a service that are answered later or more than once.
// Its owner's lock guards it.
type requests []*codec.Message

// mayAct says whether the sender of m may act on a request of the given user.
func mayAct(m *codec.Message, userid uint32) bool {
	return m.Rolemask&roleOwner != 0 ||
		m.Rolemask&roleUser != 0 && m.UserID != codec.UserIDUnknown && m.UserID == userid
}

// sameClient is the rule by which a disconnect notice, and a cancel, find
// what they are about.
func sameClient(m, req *codec.Message) bool {
	return m.Routes.Origin() == req.Routes.Origin() && mayAct(m, req.UserID)
}

// disconnect drops the requests of the client that a notice is about.
func (q *requests) disconnect(m *codec.Message) {
	*q = slices.DeleteFunc(*q, func(req *codec.Message) bool { return sameClient(m, req) })
}

// cancel takes out the request that a cancel names.
func (q *requests) cancel(m *codec.Message) (*codec.Message, bool) {
	tag, ok := cancelTag(m)
	if !ok {
		return nil, false
	}
	for i, req := range *q {
		if req.Matchtag == tag && sameClient(m, req) {
			*q = slices.Delete(*q, i, i+1)
			return req, true
		}
	}
	return nil, false
}

// cancelTag is the matchtag in the payload of a cancel.
func cancelTag(m *codec.Message) (uint32, bool) {
	n, ok := decodeObject(m.Payload).integer("matchtag")
	return uint32(n), ok
}
