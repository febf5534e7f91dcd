package jobspec

import "github.com/flux-sdk/flux/internal/jsontree"

// Stdin makes the tasks read their standard input from a file on the hosts where they run.
func (s *Spec) Stdin(file string) *Spec { return s.redirect("Stdin", file, "input", "stdin") }

// Stdout makes the tasks write their standard output, and standard error unless [Spec.Stderr] says otherwise, to a
// file on the first host of the job. The job shell expands templates such as {{id}} and {{taskid}} in the name. The
// names "none" and "kvs" stand for no file, as in `flux submit --output`: output then goes through the key-value
// store, where `flux job attach` finds it.
func (s *Spec) Stdout(file string) *Spec {
	if keptInKVS(file) {
		return s.undirect("stdout")
	}
	return s.redirect("Stdout", file, "output", "stdout")
}

// Stderr makes the tasks write their standard error to a file. What [Spec.Stdout] says on names holds.
func (s *Spec) Stderr(file string) *Spec {
	if keptInKVS(file) {
		return s.undirect("stderr")
	}
	return s.redirect("Stderr", file, "output", "stderr")
}

func keptInKVS(file string) bool { return file == "none" || file == "kvs" }

func (s *Spec) redirect(method, file, direction, stream string) *Spec {
	if file == "" {
		return s.fail(method, "must not be empty", file)
	}
	if err := jsontree.CheckString(file); err != nil {
		return s.fail(method, err.Error(), nil)
	}
	at := option(direction, stream)
	s.put(method, "file", append(at, "type"))
	s.put(method, file, append(at, "path"))
	if s.label && direction == "output" {
		s.put(method, true, append(at, "label"))
	}
	return s
}

// undirect removes what redirect sets, and the objects that it leaves empty.
func (s *Spec) undirect(stream string) *Spec {
	at := option("output", stream)
	for _, name := range []string{"type", "path", "label"} {
		s.root().Remove(append(at, name)...)
	}
	for n := len(at); n > len(option()); n-- {
		if v, ok := s.root().Lookup(at[:n]...); ok {
			if o, ok := v.(*jsontree.Object); ok && o.Len() == 0 {
				s.root().Remove(at[:n]...)
			}
		}
	}
	return s
}

// LabelIO makes each line in the files of [Spec.Stdout] and [Spec.Stderr] begin with the rank of its task. It changes
// nothing in output that is not in a file, where the reader chooses.
func (s *Spec) LabelIO() *Spec {
	s.label = true
	for _, stream := range []string{"stdout", "stderr"} {
		if kind, _ := s.lookup(option("output", stream, "type")...); kind == "file" {
			s.put("LabelIO", true, option("output", stream, "label"))
		}
	}
	return s
}

// Unbuffered makes the job shell pass on input and output at once, not by lines and in batches.
func (s *Spec) Unbuffered() *Spec {
	for _, stream := range []string{"stdout", "stderr"} {
		s.put("Unbuffered", "none", option("output", stream, "buffer", "type"))
	}
	s.put("Unbuffered", jsontree.Real(0.05), option("output", "batch-timeout"))
	return s.put("Unbuffered", jsontree.Real(0), option("input", "batch-timeout"))
}
