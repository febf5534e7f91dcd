package main

import (
	"strings"
	"unicode/utf8"

	"github.com/flux-sdk/flux/codec"
)

// checkTopic refuses a topic that cannot be sent, before anything is read or sent.
func checkTopic(topic string) error {
	if topic == "" {
		return usagef("the topic is empty: want SERVICE.METHOD, such as attr.get")
	}
	return checkMessage(topic, codec.NewRequest(topic))
}

// checkEvent refuses the topic of an event that cannot be published.
func checkEvent(topic string) error {
	if topic == "" {
		return usagef("an event needs a topic, such as my.event")
	}
	return checkMessage(topic, codec.NewEvent(topic))
}

func checkMessage(topic string, m *codec.Message) error {
	if err := checkText("topic", topic); err != nil {
		return err
	}
	if _, err := codec.Append(nil, m); err != nil {
		return &usageError{err}
	}
	return nil
}

// checkText refuses a text that JSON cannot carry. Encoded, it would be another text.
func checkText(what, text string) error {
	if !utf8.ValidString(text) {
		return usagef("the %s %.40q is not UTF-8", what, text)
	}
	return nil
}

// serviceLetters are the characters of a service's name.
const serviceLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

// checkService refuses what cannot be the name of a service.
func checkService(name string) error {
	other := strings.Trim(name, serviceLetters)
	switch {
	case name == "":
		return usagef("the name of the service is empty")
	case len(name) > codec.MaxService:
		return usagef("the name of the service has %d bytes, %d at most", len(name), codec.MaxService)
	case other != "":
		r, _ := utf8.DecodeRuneInString(other)
		return usagef("service name %.40q: character %q; want letters, digits, '-' and '_'", name, r)
	}
	return nil
}
