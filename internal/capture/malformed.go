package capture

import (
	"fmt"
	"io"
)

// The outcomes of a [Case].
const (
	Answering    = "open; next request answered"
	Waiting      = "open; next request NOT answered"
	Closed       = "closed by broker (EOF)"
	Reset        = "closed by broker (RESET)"
	ResetOnNext  = "closed on next request (RESET)"
	BrokerKilled = "BROKER ABORTED (process died)"
)

// Case is bytes that were sent to a broker on a connection of their own, and
// what became of them.
type Case struct {
	Name string
	Desc string
	// Sent is everything written after the handshake. Not all of it is frames,
	// so see [HostOrder] for the magics in it.
	Sent []byte
	// Replies are abbreviated: Payload is nil unless it is a text.
	Replies []Msg
	Outcome string
}

// ReadMalformed reads a file of cases, which has a format of its own. The error
// names the line.
func ReadMalformed(r io.Reader) ([]Case, error) {
	var out []Case
	err := eachLine(r, func(b []byte) error {
		var l struct {
			Case    string    `json:"case"`
			Desc    string    `json:"desc"`
			Sent    hexBytes  `json:"sent"`
			Replies []msgLine `json:"replies"`
			Outcome string    `json:"outcome"`
		}
		if err := strict(b, &l); err != nil {
			return err
		}
		c := Case{Name: l.Case, Desc: l.Desc, Sent: l.Sent, Outcome: l.Outcome}
		switch c.Outcome {
		case Answering, Waiting, Closed, Reset, ResetOnNext, BrokerKilled:
		default:
			return fmt.Errorf("unknown outcome %q", c.Outcome)
		}
		for i := range l.Replies {
			m, err := l.Replies[i].msg()
			if err != nil {
				return fmt.Errorf("reply %d: %w", i, err)
			}
			c.Replies = append(c.Replies, *m)
		}
		out = append(out, c)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
