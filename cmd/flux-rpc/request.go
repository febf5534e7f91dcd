package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"
)

// requestArgs is the part of usage lines about the request's payload.
const requestArgs = "[JSON|@FILE|-|KEY=VALUE...]"

// requestHelp is the part of help texts about the request's payload.
const requestHelp = `The payload is a JSON object: an argument, @FILE, or - for standard input. Without
one, and if the input is empty, the request has no payload. An object can also be
given by its members:
  KEY=VALUE    text           name=rank
  KEY:=JSON    any JSON       count:=3 flags:='["a","b"]' verbose:=true
  KEY=@FILE    a file's text  script=@job.sh
  KEY:=@FILE   a file's JSON  config:=@config.json`

// example is a payload for messages about payloads that are none.
const example = `{"name":"rank"}`

// readPayload makes the payload of a request from the arguments after the topic: none, one of JSON, @FILE and "-", or
// members of an object. If raw, it is the bytes of the one argument. rawFlag names the flag for that; it is empty if
// the command has none.
func readPayload(ctx context.Context, args []string, raw bool, rawFlag string) (any, error) {
	switch {
	case len(args) == 0:
		return nil, nil
	case raw && len(args) > 1:
		return nil, usagef("request: %s takes one payload, but there are %d arguments", rawFlag, len(args))
	case !raw && (len(args) > 1 || isMember(args[0])):
		return membersPayload(ctx, args)
	}
	b, isFile := []byte(args[0]), false
	if name, ok := inputName(args[0]); ok {
		var err error
		var want func([]byte) bool
		if !raw {
			want = beginsObject
		}
		if b, err = readInput(ctx, name, want); err != nil {
			return nil, requestError(err)
		}
		isFile = true
	}
	if raw {
		return b, nil
	}
	b = bytes.TrimSpace(b)
	if len(b) == 0 && isFile {
		return nil, nil
	}
	return objectPayload(b, rawFlag)
}

// requestError says that an error is about the request.
func requestError(err error) error {
	var usage *usageError
	if errors.As(err, &usage) {
		return usagef("request: %w", usage.err)
	}
	return err
}

// inputName returns the file that an argument names, and whether it names one: @FILE, @- or -.
func inputName(arg string) (name string, ok bool) {
	if arg == stdinName {
		return arg, true
	}
	return strings.CutPrefix(arg, "@")
}

func beginsObject(begin []byte) bool { return begin[0] == '{' }

// objectPayload checks that b is a JSON object.
func objectPayload(b []byte, rawFlag string) (any, error) {
	hint := ""
	if rawFlag != "" {
		hint = "; " + rawFlag + " sends any bytes"
	}
	if !utf8.Valid(b) {
		return nil, usagef("request: %.40q is not UTF-8, which JSON is%s", b, hint)
	}
	var object map[string]json.RawMessage
	err := json.Unmarshal(b, &object)
	switch {
	case len(b) == 0:
		return nil, usagef("request: the argument is empty; leave it out for a request without a payload")
	case err == nil && object != nil:
		return json.RawMessage(b), nil
	case !beginsObject(b) || json.Valid(b):
		return nil, usagef("request: %.40q is not a JSON object, such as %s%s", b, example, hint)
	}
	return nil, usagef("request: %.40q is not JSON: %w%s", b, err, hint)
}

// isMember reports whether an argument is a member of an object, KEY=VALUE or KEY:=JSON, and nothing else.
func isMember(arg string) bool {
	return strings.Contains(arg, "=") && !strings.ContainsAny(arg[:1], `{["@`)
}

// membersPayload makes a JSON object of its members, in the order in which they are given.
func membersPayload(ctx context.Context, args []string) (any, error) {
	var b bytes.Buffer
	seen := make(map[string]bool)
	for i, arg := range args {
		key, value, err := member(ctx, arg)
		switch {
		case err != nil:
			return nil, err
		case seen[key]:
			return nil, usagef("request: the key %q is given twice", key)
		}
		seen[key] = true
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := compactJSON(key)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	return json.RawMessage("{" + b.String() + "}"), nil
}

// member returns the key and the JSON value of an argument.
func member(ctx context.Context, arg string) (key string, value json.RawMessage, err error) {
	key, text, ok := strings.Cut(arg, "=")
	key, isJSON := strings.CutSuffix(key, ":")
	switch {
	case !ok || !isMember(arg):
		return "", nil, usagef("request: %.40q is not KEY=VALUE; a payload that is one argument stands alone", arg)
	case key == "":
		return "", nil, usagef("request: %.40q has no key in front of the =", arg)
	}
	if name, ok := strings.CutPrefix(text, "@"); ok {
		b, err := readInput(ctx, name, nil)
		if err != nil {
			return "", nil, requestError(err)
		}
		text = string(b)
	}
	if !utf8.ValidString(key) || !utf8.ValidString(text) {
		return "", nil, usagef("request: %.40q is not UTF-8, which JSON is", arg)
	}
	if !isJSON {
		value, err = compactJSON(text)
		return key, value, err
	}
	value = bytes.TrimSpace([]byte(text))
	if !json.Valid(value) {
		return "", nil, usagef("request: %.40q: %.40q is not JSON; %s=VALUE is text", arg, value, key)
	}
	return key, value, nil
}

// compactJSON encodes a value as one line of JSON.
func compactJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
