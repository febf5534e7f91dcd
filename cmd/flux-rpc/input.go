package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"strings"
)

// requestHelp is the part of help texts about the request's payload.
const requestHelp = `The payload is a JSON object given as an argument, as @FILE or, with -, on
standard input. Without one the request has no payload.`

// readPayload makes the payload of a request from the arguments after the topic:
// none, or one of JSON, @file and -. Raw bytes are sent as they are.
func readPayload(args []string, raw bool) (any, error) {
	if len(args) == 0 {
		return nil, nil
	}
	b := []byte(args[0])
	var err error
	switch name, isFile := strings.CutPrefix(args[0], "@"); {
	case args[0] == "-" || isFile && name == "-":
		b, err = io.ReadAll(os.Stdin)
	case isFile:
		b, err = os.ReadFile(name)
	}
	if err != nil {
		return nil, usagef("request: %w", err)
	}
	if raw {
		return b, nil
	}
	b = bytes.TrimSpace(b)
	var object map[string]json.RawMessage
	if err := json.Unmarshal(b, &object); err != nil || object == nil {
		if err == nil || json.Valid(b) {
			return nil, usagef("request: %.40q is JSON, but a Flux payload is an object; --raw-request sends any bytes", b)
		}
		return nil, usagef("request: %.40q is not JSON: %w", b, err)
	}
	return json.RawMessage(b), nil
}
