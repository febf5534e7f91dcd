package resource

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/hostlist"
	"github.com/flux-sdk/flux/idset"
	"github.com/flux-sdk/flux/internal/epoch"
	"github.com/flux-sdk/flux/internal/jsontree"
)

// MaxNodes is the largest number of nodes of an R. A text of a few bytes can name billions of ranks and hosts.
const MaxNodes = 1 << 20

// propertyForbidden are the characters that a property may not have, because constraints use them (RFC 31).
const propertyForbidden = "&'\"^`|()"

// Parse reads an R as RFC 20 has it: a JSON object with version 1. Sets of ranks and ids must be well formed idsets, a
// node must not have a resource twice, and there must be as many hosts as nodes, or none. Members that this package
// does not know survive in MarshalJSON.
//
// The error says which member is wrong and matches [flux.EINVAL], or [flux.ERANGE] for more than [MaxNodes] nodes.
func Parse(data []byte) (R, error) {
	return parse(data, reader{idset.Parse, hostlist.Parse, false})
}

// ParseLenient reads an R like [Parse], but takes sets such as "0,0-1,1-2", whose elements overlap or are out of
// order, and nodes that have a resource twice, as some schedulers write them.
func ParseLenient(data []byte) (R, error) {
	return parse(data, reader{idset.ParseLenient, hostlist.ParseLenient, true})
}

// UnmarshalJSON reads an R as [Parse] does.
func (r *R) UnmarshalJSON(data []byte) error {
	if bytes.Equal(data, []byte("null")) {
		return nil
	}
	parsed, err := Parse(data)
	if err != nil {
		return err
	}
	*r = parsed
	return nil
}

// A reader is how strictly to read the parts of an R.
type reader struct {
	idset   func(string) (idset.Set, error)
	hosts   func(string) (hostlist.List, error)
	overlap bool // a node may have a resource twice
}

func parse(data []byte, read reader) (R, error) {
	r, err := read.r(data)
	if err != nil {
		if !errors.Is(err, flux.ERANGE) {
			err = fmt.Errorf("%w: %w", err, flux.EINVAL)
		}
		return R{}, fmt.Errorf("resource: invalid R: %w", err)
	}
	return r, nil
}

func (read reader) r(data []byte) (R, error) {
	top, err := jsontree.ParseMembers(data)
	if err != nil {
		return R{}, err
	}
	switch version := top.Raw("version"); {
	case version == nil:
		return R{}, errors.New("no member version")
	case string(version) != "1":
		return R{}, fmt.Errorf("version must be 1, got %.40s", version)
	case !top.Has("execution"):
		return R{}, errors.New("no member execution")
	}
	execution, err := jsontree.ParseMembers(top.Raw("execution"))
	if err != nil {
		return R{}, fmt.Errorf("execution: %w", err)
	}
	r := R{top: top, execution: execution}
	if r.nodes, err = read.lite(execution.Raw("R_lite")); err != nil {
		return R{}, fmt.Errorf("execution.R_lite%w", err)
	}
	if r.hosts, err = read.nodelist(execution.Raw("nodelist"), r.nodes.count()); err != nil {
		return R{}, fmt.Errorf("execution.nodelist%w", err)
	}
	if r.properties, err = read.properties(execution.Raw("properties"), r.nodes.ranks()); err != nil {
		return R{}, fmt.Errorf("execution.properties%w", err)
	}
	for _, member := range []string{"starttime", "expiration"} {
		raw := execution.Raw(member)
		if raw == nil {
			continue
		}
		if kind := jsontree.Kind(raw); kind != "a number" {
			return R{}, fmt.Errorf("execution.%s: expected a number, got %s", member, kind)
		}
		if _, err := epoch.Parse(string(raw)); err != nil {
			return R{}, fmt.Errorf("execution.%s: %w", member, err)
		}
	}
	return r, nil
}

// lite reads the nodes. Its errors, as those of the functions below, begin with the rest of the path or with a colon.
func (read reader) lite(raw json.RawMessage) (segments, error) {
	if raw == nil {
		return nil, errors.New(": missing")
	}
	var entries []json.RawMessage
	if err := json.Unmarshal(raw, &entries); err != nil {
		return nil, fmt.Errorf(": expected an array, got %s", jsontree.Kind(raw))
	}
	lists := make([]segments, 0, len(entries))
	for i, entry := range entries {
		list, err := read.entry(entry)
		if err != nil {
			return nil, fmt.Errorf("[%d]%w", i, err)
		}
		lists = append(lists, list)
	}
	return read.merge(lists)
}

// merge joins the nodes of the entries. It halves the list so that many entries cost little more than a few.
func (read reader) merge(lists []segments) (segments, error) {
	switch len(lists) {
	case 0:
		return nil, nil
	case 1:
		return lists[0], nil
	}
	a, err := read.merge(lists[:len(lists)/2])
	if err != nil {
		return nil, err
	}
	b, err := read.merge(lists[len(lists)/2:])
	if err != nil {
		return nil, err
	}
	var out []segment
	for p := range pairs(a, b) {
		s := segment{lo: p.lo, hi: p.hi}
		switch {
		case p.b == nil:
			s.res = p.a.res
		case p.a == nil:
			s.res = p.b.res
		default:
			if twice := p.a.res.intersect(p.b.res); len(twice) > 0 && !read.overlap {
				return nil, fmt.Errorf(": rank %d has %s twice", p.lo, twice)
			}
			s.res = p.a.res.union(p.b.res)
		}
		out = append(out, s)
	}
	merged := newSegments(out)
	if merged.count() > MaxNodes {
		return nil, tooManyNodes()
	}
	return merged, nil
}

func tooManyNodes() error { return fmt.Errorf(": more than %d nodes: %w", MaxNodes, flux.ERANGE) }

// entry reads one element of R_lite.
func (read reader) entry(raw json.RawMessage) (segments, error) {
	o, err := jsontree.ParseMembers(raw)
	if err != nil {
		return nil, fmt.Errorf(": %w", err)
	}
	ranks, err := read.set(o.Raw("rank"))
	switch {
	case err != nil:
		return nil, fmt.Errorf(".rank%w", err)
	case ranks.IsEmpty():
		return nil, errors.New(".rank: expected a rank")
	case ranks.Len() > MaxNodes:
		return nil, tooManyNodes()
	}
	if !o.Has("children") {
		return nil, errors.New(".children: missing")
	}
	types, err := jsontree.ParseMembers(o.Raw("children"))
	if err != nil {
		return nil, fmt.Errorf(".children: %w", err)
	}
	var list []child
	for _, m := range types.Members() {
		ids, err := read.set(types.Raw(m.Name))
		if err != nil {
			return nil, fmt.Errorf(".children.%.60s%w", m.Name, err)
		}
		list = append(list, child{m.Name, ids})
	}
	res := newChildren(list...)
	var out []segment
	for lo, hi := range ranks.Ranges() {
		out = append(out, segment{lo: lo, hi: hi, res: res})
	}
	return newSegments(out), nil
}

// set reads an idset, which must be a JSON string.
func (read reader) set(raw json.RawMessage) (idset.Set, error) {
	var s string
	switch kind := jsontree.Kind(raw); {
	case raw == nil:
		return idset.Set{}, errors.New(": missing")
	case kind != "a string":
		return idset.Set{}, fmt.Errorf(": expected a string, got %s", kind)
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return idset.Set{}, fmt.Errorf(": %w", err)
	}
	ids, err := read.idset(s)
	if err != nil {
		return idset.Set{}, fmt.Errorf(": %w", err)
	}
	return ids, nil
}

// nodelist reads the hosts, of which there must be count, or none.
func (read reader) nodelist(raw json.RawMessage, count int) (hostlist.List, error) {
	if raw == nil {
		return hostlist.List{}, nil
	}
	if kind := jsontree.Kind(raw); kind != "an array" {
		return hostlist.List{}, fmt.Errorf(": expected an array of strings, got %s", kind)
	}
	var entries []json.RawMessage
	if err := json.Unmarshal(raw, &entries); err != nil {
		return hostlist.List{}, fmt.Errorf(": %w", err)
	}
	lists := make([]hostlist.List, 0, len(entries))
	total := 0
	for i, entry := range entries {
		if kind := jsontree.Kind(entry); kind != "a string" {
			return hostlist.List{}, fmt.Errorf("[%d]: expected a string, got %s", i, kind)
		}
		var text string
		if err := json.Unmarshal(entry, &text); err != nil {
			return hostlist.List{}, fmt.Errorf("[%d]: %w", i, err)
		}
		list, err := read.hosts(text)
		if err != nil {
			return hostlist.List{}, fmt.Errorf("[%d]: %w", i, err)
		}
		if list.Len() > math.MaxInt32-total {
			return hostlist.List{}, tooManyNodes()
		}
		total += list.Len()
		lists = append(lists, list)
	}
	if total != count && total != 0 {
		return hostlist.List{}, fmt.Errorf(": %d hosts for %d ranks", total, count)
	}
	return concat(lists), nil
}

// concat joins lists. It halves the list of lists because appending to a hostlist copies it.
func concat(lists []hostlist.List) hostlist.List {
	switch len(lists) {
	case 0:
		return hostlist.List{}
	case 1:
		return lists[0]
	}
	out := concat(lists[:len(lists)/2])
	out.AppendList(concat(lists[len(lists)/2:]))
	return out
}

// properties reads the ranks by property, all of which must be ranks of the R.
func (read reader) properties(raw json.RawMessage, ranks idset.Set) (map[string]idset.Set, error) {
	if raw == nil {
		return nil, nil
	}
	o, err := jsontree.ParseMembers(raw)
	if err != nil {
		return nil, fmt.Errorf(": %w", err)
	}
	properties := make(map[string]idset.Set)
	for _, m := range o.Members() {
		if err := checkProperty(m.Name); err != nil {
			return nil, fmt.Errorf(": %w", err)
		}
		ids, err := read.set(o.Raw(m.Name))
		if err != nil {
			return nil, fmt.Errorf(".%.60s%w", m.Name, err)
		}
		if !ids.IsEmpty() {
			properties[m.Name] = ids
		}
	}
	// One look at all ranks together costs less than one for each property.
	used := idset.CollectRanges(func(yield func(lo, hi uint32) bool) {
		for _, ids := range properties {
			for lo, hi := range ids.Ranges() {
				if !yield(lo, hi) {
					return
				}
			}
		}
	})
	if unknown := used.Difference(ranks); !unknown.IsEmpty() {
		for _, name := range slices.Sorted(maps.Keys(properties)) {
			if missing := properties[name].Intersect(unknown); !missing.IsEmpty() {
				return nil, fmt.Errorf(".%.60s: %w", name, unknownRanks(missing))
			}
		}
	}
	return properties, nil
}

func checkProperty(name string) error {
	if name == "" {
		return errors.New("a property has no name")
	}
	if !utf8.ValidString(name) {
		return fmt.Errorf("property %.60q is not UTF-8", name)
	}
	if i := strings.IndexAny(name, propertyForbidden); i >= 0 {
		return fmt.Errorf("invalid character %q in property %.60q", name[i], name)
	}
	return nil
}

func unknownRanks(ranks idset.Set) error {
	if ranks.Len() == 1 {
		return fmt.Errorf("rank %s is not in the R", ranks)
	}
	return fmt.Errorf("ranks %.200s are not in the R", ranks)
}
