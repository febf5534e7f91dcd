package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestDemo(t *testing.T) {
	var out bytes.Buffer
	if err := demo(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"flux_client_connected 1\n",
		"# TYPE flux_client_messages_sent_total counter\n",
		"flux_client_responses_total 1\n",
		"flux_client_requests_waiting 0\n",
		"flux_client_reconnects_total 0\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no line %q in:\n%s", want, out.String())
		}
	}
}
