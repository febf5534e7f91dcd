package job

import (
	"bytes"
	"fmt"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/idset"
)

// A Taskmap says which tasks of a job run on which of its nodes (RFC 34). Nodes count from 0 within the job, they are
// not broker ranks. The zero Taskmap is the unknown map, which Flux writes as [].
//
// A Taskmap is a few blocks, however many tasks it has, and most methods take time in proportion to the blocks. It has
// at most 2^31-1 tasks and nodes.
type Taskmap struct {
	blocks []TaskBlock
}

// A TaskBlock puts the next tasks of a job on consecutive nodes: PerNode tasks on each of Nodes nodes from node Start
// on, and that Repeat times over.
type TaskBlock struct {
	Start   int // first node
	Nodes   int
	PerNode int
	Repeat  int
}

func (b TaskBlock) tasks() int { return b.Nodes * b.PerNode * b.Repeat }

// end returns the node after the last one.
func (b TaskBlock) end() int { return b.Start + b.Nodes }

// maxTaskmapText limits the number of parts in the texts that have one for each repeat of a block.
const maxTaskmapText = 1 << 20

// NewTaskmap returns the map of the blocks in order. Without blocks it is the unknown map.
func NewTaskmap(blocks ...TaskBlock) (Taskmap, error) {
	total := 0
	for _, b := range blocks {
		var err error
		if total, err = b.addTo(total); err != nil {
			return Taskmap{}, err
		}
	}
	return Taskmap{slices.Clone(blocks)}, nil
}

// addTo returns the number of tasks of a map with total tasks after b is added. It is an error if b is not valid, or
// if that or the number of nodes is over 2^31-1.
func (b TaskBlock) addTo(total int) (int, error) {
	const limit = math.MaxInt32
	if b.Start < 0 || b.Nodes <= 0 || b.PerNode <= 0 || b.Repeat <= 0 {
		return 0, fmt.Errorf("job: invalid taskmap block %s: the first number must be 0 or more, the others 1 or more: %w",
			b, flux.EINVAL)
	}
	left := limit - total
	for _, factor := range []int{b.Nodes, b.PerNode, b.Repeat} {
		left /= factor
	}
	if left == 0 || b.Start > limit-b.Nodes {
		return 0, fmt.Errorf("job: taskmap block %s: more than 2^31-1 tasks or nodes: %w", b, flux.ERANGE)
	}
	return total + b.tasks(), nil
}

// String returns the block as RFC 34 has it: [start,nodes,pernode,repeat].
func (b TaskBlock) String() string {
	return fmt.Sprintf("[%d,%d,%d,%d]", b.Start, b.Nodes, b.PerNode, b.Repeat)
}

// Blocks returns the blocks of the map. The slice is a copy.
func (m Taskmap) Blocks() []TaskBlock { return slices.Clone(m.blocks) }

// Unknown reports whether it is the unknown map.
func (m Taskmap) Unknown() bool { return len(m.blocks) == 0 }

// Equal reports whether the maps have the same blocks. Maps that differ in blocks can still place tasks alike.
func (m Taskmap) Equal(other Taskmap) bool { return slices.Equal(m.blocks, other.blocks) }

// NumNodes returns the number of nodes: one more than the highest node with a task. It is 0 for the unknown map.
func (m Taskmap) NumNodes() int {
	n := 0
	for _, b := range m.blocks {
		n = max(n, b.end())
	}
	return n
}

// NumTasks returns the number of tasks. It is 0 for the unknown map.
func (m Taskmap) NumTasks() int {
	n := 0
	for _, b := range m.blocks {
		n += b.tasks()
	}
	return n
}

// NodeOf returns the node that runs a task, and false if the map has no such task.
func (m Taskmap) NodeOf(task int) (node int, ok bool) {
	if task < 0 {
		return 0, false
	}
	for _, b := range m.blocks {
		if task < b.tasks() {
			return b.Start + task/b.PerNode%b.Nodes, true
		}
		task -= b.tasks()
	}
	return 0, false
}

// TasksOn returns the number of tasks that a node runs.
func (m Taskmap) TasksOn(node int) int {
	n := 0
	for _, b := range m.blocks {
		if node >= b.Start && node < b.end() {
			n += b.PerNode * b.Repeat
		}
	}
	return n
}

// TaskIDs returns the tasks that a node runs. Its cost is that of the ranges of the result: one for each time that the
// map comes back to the node.
func (m Taskmap) TaskIDs(node int) idset.Set {
	return idset.CollectRanges(func(yield func(lo, hi uint32) bool) {
		for lo, hi := range m.rangesOn(node) {
			if !yield(uint32(lo), uint32(hi)) {
				return
			}
		}
	})
}

// rangesOn yields the first and last task of each run of consecutive tasks on a node, in order.
func (m Taskmap) rangesOn(node int) iter.Seq2[int, int] {
	return func(yield func(lo, hi int) bool) {
		runLo, runHi := 0, -1 // a run that the next tasks of the node may continue; none if runHi < runLo
		first := 0            // first task of the block
		for _, b := range m.blocks {
			if node >= b.Start && node < b.end() {
				length, step, times := b.PerNode, b.Nodes*b.PerNode, b.Repeat
				if b.Nodes == 1 {
					length, times = b.PerNode*b.Repeat, 1
				}
				lo := first + (node-b.Start)*b.PerNode
				for range times {
					if lo == runHi+1 && runHi >= runLo {
						runHi = lo + length - 1
					} else {
						if runHi >= runLo && !yield(runLo, runHi) {
							return
						}
						runLo, runHi = lo, lo+length-1
					}
					lo += step
				}
			}
			first += b.tasks()
		}
		if runHi >= runLo {
			yield(runLo, runHi)
		}
	}
}

// Append returns the map with tasks added after the present ones: perNode tasks on each of nodes nodes from node start
// on. It joins them with the last block where that gives the same placement in fewer blocks. A call copies the blocks;
// for a map of many blocks use [NewTaskmap].
func (m Taskmap) Append(start, nodes, perNode int) (Taskmap, error) {
	added := TaskBlock{start, nodes, perNode, 1}
	if _, err := added.addTo(m.NumTasks()); err != nil {
		return Taskmap{}, err
	}
	return Taskmap{appendBlock(slices.Clone(m.blocks), added)}, nil
}

// appendBlock adds b to the blocks, in place.
func appendBlock(blocks []TaskBlock, b TaskBlock) []TaskBlock {
	if len(blocks) == 0 {
		return append(blocks, b)
	}
	last := &blocks[len(blocks)-1]
	switch {
	case last.Repeat == 1 && last.end() == b.Start && last.PerNode == b.PerNode:
		last.Nodes += b.Nodes
	case last.Repeat == 1 && last.Nodes == 1 && b.Nodes == 1 && last.Start == b.Start:
		last.PerNode += b.PerNode
	case last.Start == b.Start && last.Nodes == b.Nodes && last.PerNode == b.PerNode:
		last.Repeat++
		return blocks
	default:
		return append(blocks, b)
	}
	// A block that grew may now repeat the one before it.
	if n := len(blocks); n >= 2 {
		before := &blocks[n-2]
		if before.Start == last.Start && before.Nodes == last.Nodes && before.PerNode == last.PerNode {
			before.Repeat += last.Repeat
			return blocks[:n-1]
		}
	}
	return blocks
}

// ParseTaskmap reads a map in any form of RFC 34: a JSON array of blocks, the JSON object that wraps it, the list of
// PMI ("(vector,(0,4,2))"), and raw task ids by node ("0-1;2-3"). The empty text is the unknown map.
//
// Unlike Flux it refuses blocks of more than four numbers, PMI text with parentheses missing, as cut text has, and an
// empty node between others in the raw form, which Flux skips. An error matches [flux.EINVAL], or [flux.ERANGE] for
// more than 2^31-1 tasks or nodes.
func ParseTaskmap(s string) (Taskmap, error) {
	text := trimSpaceLeft(s)
	switch {
	case s == "":
		return Taskmap{}, nil
	case strings.HasPrefix(text, "["), strings.HasPrefix(text, "{"):
		return parseTaskmapJSON([]byte(s))
	case strings.Contains(s, "("):
		return parseTaskmapPMI(s)
	}
	return parseTaskmapRaw(s)
}

// MarshalJSON returns the object of RFC 34: {"version":1,"map":[[0,4,1,1]]}.
func (m Taskmap) MarshalJSON() ([]byte, error) {
	return []byte(`{"version":1,"map":` + m.String() + `}`), nil
}

// UnmarshalJSON reads the object of RFC 34 or its array of blocks.
func (m *Taskmap) UnmarshalJSON(data []byte) error {
	if bytes.Equal(data, []byte("null")) {
		return nil
	}
	parsed, err := parseTaskmapJSON(data)
	if err != nil {
		return err
	}
	*m = parsed
	return nil
}

// String returns the array of blocks: [[0,4,1,1]].
func (m Taskmap) String() string {
	b := []byte{'['}
	for i, block := range m.blocks {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, block.String()...)
	}
	return string(append(b, ']'))
}

// PMI returns the list that PMI has for the process mapping: "(vector,(0,4,1))". It has a part for each repeat of a
// block; an error matches [flux.ERANGE] if these are more than 2^20. The unknown map is the empty text.
func (m Taskmap) PMI() (string, error) {
	if m.Unknown() {
		return "", nil
	}
	var text strings.Builder
	text.WriteString("(vector")
	parts := 0
	for _, b := range m.blocks {
		if parts += b.Repeat; parts > maxTaskmapText {
			return "", fmt.Errorf("job: taskmap needs more than %d parts in the form of PMI: %w", maxTaskmapText, flux.ERANGE)
		}
		part := fmt.Sprintf(",(%d,%d,%d)", b.Start, b.Nodes, b.PerNode)
		for range b.Repeat {
			text.WriteString(part)
		}
	}
	text.WriteByte(')')
	return text.String(), nil
}

// Raw returns the task ids by node: "0-1;2-3". An error matches [flux.EINVAL] if a node has no task, which this form
// cannot tell, and [flux.ERANGE] if there are more than 2^20 nodes or ranges. The unknown map is the empty text.
func (m Taskmap) Raw() (string, error) {
	if m.NumNodes() > maxTaskmapText {
		return "", rawTaskmapError()
	}
	type tasks struct{ lo, hi int }
	ranges := make([][]tasks, m.NumNodes())
	first, count := 0, 0
	for _, b := range m.blocks {
		length, times := b.PerNode, b.Repeat
		if b.Nodes == 1 {
			length, times = b.PerNode*b.Repeat, 1
		}
		for range times {
			for node := b.Start; node < b.end(); node++ {
				if n := len(ranges[node]); n > 0 && ranges[node][n-1].hi == first-1 {
					ranges[node][n-1].hi += length
				} else {
					ranges[node] = append(ranges[node], tasks{first, first + length - 1})
					if count++; count > maxTaskmapText {
						return "", rawTaskmapError()
					}
				}
				first += length
			}
		}
	}
	var text []byte
	for node, list := range ranges {
		if len(list) == 0 {
			return "", fmt.Errorf("job: taskmap has no raw form: node %d has no task: %w", node, flux.EINVAL)
		}
		for i, r := range list {
			switch {
			case i > 0:
				text = append(text, ',')
			case node > 0:
				text = append(text, ';')
			}
			text = strconv.AppendInt(text, int64(r.lo), 10)
			if r.hi > r.lo {
				text = append(text, '-')
				text = strconv.AppendInt(text, int64(r.hi), 10)
			}
		}
	}
	return string(text), nil
}

func rawTaskmapError() error {
	return fmt.Errorf("job: taskmap needs more than %d parts in the raw form: %w", maxTaskmapText, flux.ERANGE)
}
