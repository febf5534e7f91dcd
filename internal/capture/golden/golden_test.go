package golden_test

import (
	"testing"

	"github.com/flux-sdk/flux/internal/capture/golden"
)

// The counts are those of the README beside the files: a file that is lost or
// cut short must not go unnoticed by the tests that run over all of them.
func TestComplete(t *testing.T) {
	names := golden.Names()
	if len(names) != 62 {
		t.Errorf("%d files, want 62", len(names))
	}
	frames, handshakes, ends := 0, 0, 0
	for _, name := range names {
		recs, err := golden.Load(name)
		if err != nil {
			t.Error(err)
		}
		for _, r := range recs {
			switch {
			case r.EOF:
				ends++
			case r.IsFrame():
				frames++
			default:
				handshakes++
			}
		}
	}
	if frames != 890 || handshakes != 167 || ends != 333 {
		t.Errorf("%d frames, %d handshakes, %d ends, want 890, 167, 333", frames, handshakes, ends)
	}
	cases, err := golden.Malformed()
	if err != nil || len(cases) != 78 {
		t.Errorf("%d malformed cases, %v, want 78", len(cases), err)
	}
}

func TestLoadUnknown(t *testing.T) {
	if recs, err := golden.Load("no-such-file"); err == nil {
		t.Errorf("Load = %d records, want an error", len(recs))
	}
}
