// Package jsontree holds JSON documents without losing anything of them: the order of members, unknown members, and
// numbers as they were written.
//
// A value is one of nil, bool, json.Number, string, []any, *Object and json.RawMessage. The last is JSON text that is
// written as it is; only ParseMembers makes it.
//
// Parsing is as strict as the JSON library of Flux (jansson): text that is not UTF-8, a NUL in a string, half of a
// surrogate pair and nesting beyond MaxDepth are errors, because a broker would refuse the document.
package jsontree

import (
	"encoding/json"
	"slices"
	"strings"
)

// Member is one member of an Object.
type Member struct {
	Name  string
	Value any
}

// Object is a JSON object that keeps the order in which its members were added. The zero Object is empty and can be
// used at once. A nil *Object can be read and cloned, and has no members.
type Object struct {
	members []Member
	// index finds a member of a large object. It is nil while the object is small or after a Delete.
	index map[string]int
}

// indexFrom is the number of members from which a map is faster than a look at each.
const indexFrom = 16

// NewObject returns an object of the given members.
func NewObject(members ...Member) *Object {
	o := &Object{}
	for _, m := range members {
		o.Set(m.Name, m.Value)
	}
	return o
}

// Len returns the number of members.
func (o *Object) Len() int { return len(o.Members()) }

// Members returns the members in order. The slice belongs to the object.
func (o *Object) Members() []Member {
	if o == nil {
		return nil
	}
	return o.members
}

func (o *Object) find(name string) int {
	if o == nil {
		return -1
	}
	if o.index == nil {
		// A look-up does not build the index, because readers may be concurrent.
		return slices.IndexFunc(o.members, func(m Member) bool { return m.Name == name })
	}
	if i, ok := o.index[name]; ok {
		return i
	}
	return -1
}

// Get returns the value of a member, and whether there is one.
func (o *Object) Get(name string) (any, bool) {
	if i := o.find(name); i >= 0 {
		return o.members[i].Value, true
	}
	return nil, false
}

// Has tells whether there is a member of this name.
func (o *Object) Has(name string) bool { return o.find(name) >= 0 }

// Raw returns the text of a member of an object that ParseMembers read, and nil if there is no such member. The caller
// must not change it.
func (o *Object) Raw(name string) json.RawMessage {
	v, _ := o.Get(name)
	raw, _ := v.(json.RawMessage)
	return raw
}

// Set replaces the value of a member where it stands, or adds the member at the end.
func (o *Object) Set(name string, value any) {
	if o.index == nil && len(o.members) >= indexFrom {
		o.index = make(map[string]int, 2*len(o.members))
		for i, m := range o.members {
			o.index[m.Name] = i
		}
	}
	if i := o.find(name); i >= 0 {
		o.members[i].Value = value
		return
	}
	if o.index != nil {
		o.index[name] = len(o.members)
	}
	o.members = append(o.members, Member{name, value})
}

// Delete removes a member and tells whether there was one.
func (o *Object) Delete(name string) bool {
	i := o.find(name)
	if i < 0 {
		return false
	}
	o.members = slices.Delete(o.members, i, i+1)
	o.index = nil
	return true
}

// Clone returns a copy that shares nothing with v that can be changed, except for json.RawMessage, which is shared.
func Clone(v any) any {
	switch v := v.(type) {
	case *Object:
		return v.Clone()
	case []any:
		c := make([]any, len(v))
		for i, e := range v {
			c[i] = Clone(e)
		}
		return c
	default:
		return v
	}
}

// Clone returns a copy of o as the function Clone does.
func (o *Object) Clone() *Object {
	c := &Object{members: make([]Member, o.Len())}
	for i, m := range o.Members() {
		c.members[i] = Member{m.Name, Clone(m.Value)}
	}
	return c
}

// Lookup follows the members in path through objects and returns what it finds, and whether it got there.
func (o *Object) Lookup(path ...string) (any, bool) {
	var v any = o
	for _, name := range path {
		obj, ok := v.(*Object)
		if !ok {
			return nil, false
		}
		if v, ok = obj.Get(name); !ok {
			return nil, false
		}
	}
	return v, true
}

// Put sets the member that path leads to and makes the objects on the way that are not there yet. It fails, and
// changes nothing, where a member on the way is not an object; it then returns the path as far as that member.
func (o *Object) Put(value any, path ...string) (blocked string, ok bool) {
	at := o
	for i, name := range path[:len(path)-1] {
		v, found := at.Get(name)
		if !found {
			// Nothing is on the way from here on, so that nothing can fail any more.
			for _, missing := range path[i : len(path)-1] {
				next := &Object{}
				at.Set(missing, next)
				at = next
			}
			break
		}
		next, isObject := v.(*Object)
		if !isObject {
			return strings.Join(path[:i+1], "."), false
		}
		at = next
	}
	at.Set(path[len(path)-1], value)
	return "", true
}

// Remove deletes the member that path leads to and tells whether there was one.
func (o *Object) Remove(path ...string) bool {
	v, ok := o.Lookup(path[:len(path)-1]...)
	if !ok {
		return false
	}
	parent, ok := v.(*Object)
	return ok && parent.Delete(path[len(path)-1])
}

// Kind names the type of a value as JSON does, with its article.
func Kind(v any) string {
	switch v := v.(type) {
	case json.RawMessage:
		return rawKind(v)
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case json.Number:
		return "a number"
	case string:
		return "a string"
	case []any:
		return "an array"
	case *Object:
		return "an object"
	default:
		return "no JSON value"
	}
}
