package job

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/idset"
	"github.com/flux-sdk/flux/internal/jsontree"
)

func parseTaskmapJSON(data []byte) (Taskmap, error) {
	list := data
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		o, err := jsontree.ParseMembers(data)
		switch {
		case err != nil:
			return Taskmap{}, taskmapError(data, 0, err.Error())
		case !o.Has("version"):
			return Taskmap{}, taskmapError(data, 0, "no member version")
		case string(o.Raw("version")) != "1":
			return Taskmap{}, taskmapError(data, 0, fmt.Sprintf("version must be 1, got %.40s", o.Raw("version")))
		case !o.Has("map"):
			return Taskmap{}, taskmapError(data, 0, "no member map")
		}
		list = o.Raw("map")
	}
	var entries []json.RawMessage
	if err := json.Unmarshal(list, &entries); err != nil || entries == nil {
		return Taskmap{}, taskmapError(data, 0, "expected an array of blocks")
	}
	blocks := make([]TaskBlock, 0, len(entries))
	for i, entry := range entries {
		var numbers []json.RawMessage
		if err := json.Unmarshal(entry, &numbers); err != nil || len(numbers) != 4 {
			return Taskmap{}, taskmapError(data, 0, fmt.Sprintf("entry %d: expected an array of four numbers, got %.60s",
				i, entry))
		}
		var values [4]int
		for k, number := range numbers {
			v, err := strconv.Atoi(string(number))
			if err != nil {
				return Taskmap{}, taskmapError(data, 0, fmt.Sprintf("entry %d: expected an integer, got %.40s", i, number))
			}
			values[k] = v
		}
		blocks = append(blocks, TaskBlock{values[0], values[1], values[2], values[3]})
	}
	return NewTaskmap(blocks...)
}

func parseTaskmapPMI(s string) (Taskmap, error) {
	const prefix, form = "(vector,", "expected (vector,(start,nodes,pernode),...)"
	if !strings.HasPrefix(s, prefix) {
		return Taskmap{}, taskmapError([]byte(s), 0, form)
	}
	if !strings.HasSuffix(s, "))") {
		return Taskmap{}, taskmapError([]byte(s), len(s), form)
	}
	offset, total := len(prefix), 0
	var blocks []TaskBlock
	for part := range strings.SplitSeq(s[offset:len(s)-1], "),") {
		body := strings.TrimSuffix(part, ")")
		numbers := strings.Split(strings.TrimPrefix(body, "("), ",")
		if !strings.HasPrefix(body, "(") || len(numbers) != 3 {
			return Taskmap{}, taskmapError([]byte(s), offset, form)
		}
		b := TaskBlock{Repeat: 1}
		for i, field := range []*int{&b.Start, &b.Nodes, &b.PerNode} {
			v, err := strconv.ParseUint(numbers[i], 10, 31)
			if err != nil {
				return Taskmap{}, taskmapError([]byte(s), offset, fmt.Sprintf("%.60q is not a number under 2^31", numbers[i]))
			}
			*field = int(v)
		}
		var err error
		if total, err = b.addTo(total); err != nil {
			return Taskmap{}, err
		}
		blocks = appendBlock(blocks, b)
		offset += len(part) + len("),")
	}
	return Taskmap{blocks}, nil
}

// taskRange is consecutive tasks on one node.
type taskRange struct {
	lo, hi uint32
	node   int
}

func parseTaskmapRaw(s string) (Taskmap, error) {
	var ranges []taskRange
	offset, node := 0, 0
	for part := range strings.SplitSeq(strings.TrimSuffix(s, ";"), ";") {
		ids, err := idset.Parse(part)
		if err != nil {
			return Taskmap{}, taskmapError([]byte(s), offset, fmt.Sprintf("tasks of node %d: %v", node, err))
		}
		if ids.Len() == 0 && s != ";" {
			return Taskmap{}, taskmapError([]byte(s), offset, fmt.Sprintf("no tasks on node %d", node))
		}
		for lo, hi := range ids.Ranges() {
			ranges = append(ranges, taskRange{lo, hi, node})
		}
		offset += len(part) + 1
		node++
	}
	slices.SortFunc(ranges, func(a, b taskRange) int { return cmp.Compare(a.lo, b.lo) })
	var blocks []TaskBlock
	next, total := uint64(0), 0
	for _, r := range ranges {
		switch {
		case uint64(r.lo) < next:
			return Taskmap{}, taskmapError([]byte(s), 0, fmt.Sprintf("duplicate task id %d", r.lo))
		case uint64(r.lo) > next:
			return Taskmap{}, taskmapError([]byte(s), 0, fmt.Sprintf("missing task id %d", next))
		}
		next = uint64(r.hi) + 1
		b := TaskBlock{Start: r.node, Nodes: 1, PerNode: int(int64(next) - int64(r.lo)), Repeat: 1}
		var err error
		if total, err = b.addTo(total); err != nil {
			return Taskmap{}, err
		}
		blocks = appendBlock(blocks, b)
	}
	return Taskmap{blocks}, nil
}

func taskmapError(input []byte, offset int, reason string) error {
	return &ParseError{What: "taskmap", Input: string(input), Offset: offset, Reason: reason, Errno: flux.EINVAL}
}
