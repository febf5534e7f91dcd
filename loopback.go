package flux

import (
	"os"
	"strconv"

	"github.com/flux-sdk/flux/codec"
)

// loopScheme is that of a connection to oneself.
const loopScheme = "loop"

// loopPreset are the attributes that libflux makes up for loop://, where there
// is no broker to ask.
func loopPreset() map[string]string {
	return map[string]string{"rank": "0", "size": "1", "security.owner": strconv.Itoa(os.Getuid())}
}

// loopAnswered are the requests of this package itself, which a broker's router
// answers and on loop:// nobody would.
var loopAnswered = map[string]bool{
	"service.add": true, "service.remove": true,
	"event.subscribe": true, "event.unsubscribe": true,
	"state-machine.wait": true,
}

// loopback answers, on loop://, what a router would. It reports whether it has.
func (c *conn) loopback(l *link, m *codec.Message) bool {
	if !loopAnswered[m.Topic] {
		return false
	}
	c.answer(l, m, 0, "")
	return true
}
