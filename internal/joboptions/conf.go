package joboptions

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/flux-sdk/flux/internal/jsontree"
)

// readConfig puts together the configuration that values of --conf give. Each is text in JSON or TOML with a line end,
// KEY=VALUE, a file .toml or .json, or the name of a file in the configuration directories.
func readConfig(values []string, host *Host) (*jsontree.Object, error) {
	if values == nil {
		return nil, nil
	}
	config := &jsontree.Object{}
	for _, value := range values {
		if err := addConfig(config, value, host); err != nil {
			return nil, fmt.Errorf("--conf: %w", err)
		}
	}
	return config, nil
}

func addConfig(config *jsontree.Object, value string, host *Host) error {
	switch ext := filepath.Ext(value); {
	case strings.Contains(value, "\n"):
		more, err := jsontree.ParseObject([]byte(value))
		if err != nil {
			if more, err = host.parseTOML([]byte(value)); err != nil {
				return errors.New("failed to parse multiline as TOML or JSON")
			}
		}
		merge(config, more)
	case strings.Contains(value, "="):
		key, text, _ := strings.Cut(value, "=")
		path := strings.Split(key, ".")
		if slices.Contains(path, "") {
			return fmt.Errorf("%s: expected names separated by single dots", value)
		}
		if blocked, ok := config.Put(jsonOrText(text), path...); !ok {
			return fmt.Errorf("failed to set %s to %s: %s is no table", key, text, blocked)
		}
	case ext == ".toml" || ext == ".json":
		return addConfigFile(config, value, host)
	default:
		for _, dir := range configDirs(host) {
			for _, ext := range []string{".toml", ".json"} {
				file := filepath.Join(dir, "flux", "config", value+ext)
				if _, err := os.Stat(file); err == nil {
					return addConfigFile(config, file, host)
				}
			}
		}
		return fmt.Errorf("named config '%s' not found", value)
	}
	return nil
}

func addConfigFile(config *jsontree.Object, name string, host *Host) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	parse := host.parseTOML
	if filepath.Ext(name) == ".json" {
		parse = jsontree.ParseObject
	}
	more, err := parse(text)
	if err != nil {
		return fmt.Errorf("parse error: %s: %w", name, err)
	}
	merge(config, more)
	return nil
}

// parseTOML returns a TOML document as a JSON object with sorted members.
func (h *Host) parseTOML(text []byte) (*jsontree.Object, error) {
	if h.DecodeTOML == nil {
		return nil, errors.New("this program does not read TOML; use JSON")
	}
	document, err := h.DecodeTOML(text)
	if err != nil {
		return nil, err
	}
	if err := checkTOML(document); err != nil {
		return nil, err
	}
	tree, err := jsontree.From(document)
	if err != nil {
		return nil, err
	}
	return tree.(*jsontree.Object), nil
}

// checkTOML refuses dates and times, which have no form in JSON.
func checkTOML(v any) error {
	switch v := v.(type) {
	case map[string]any:
		for name, e := range v {
			if err := checkTOML(e); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	case []any:
		for _, e := range v {
			if err := checkTOML(e); err != nil {
				return err
			}
		}
	case string, bool, int64, float64:
	default:
		return fmt.Errorf("the value %v has no form in JSON", v)
	}
	return nil
}

// merge adds the members of more, and replaces those that are no objects in both.
func merge(config, more *jsontree.Object) {
	for _, m := range more.Members() {
		old, _ := config.Get(m.Name)
		oldTable, isTable := old.(*jsontree.Object)
		newTable, both := m.Value.(*jsontree.Object)
		if isTable && both {
			merge(oldTable, newTable)
		} else {
			config.Set(m.Name, m.Value)
		}
	}
}

// configDirs returns the configuration directories of the XDG specification, the most specific first.
func configDirs(host *Host) []string {
	get := func(name, otherwise string) string {
		for _, kv := range host.Environ {
			if value, ok := strings.CutPrefix(kv, name+"="); ok && value != "" {
				return value
			}
		}
		return otherwise
	}
	dirs := []string{get("XDG_CONFIG_HOME", filepath.Join(get("HOME", "/"), ".config"))}
	return append(dirs, strings.Split(get("XDG_CONFIG_DIRS", "/etc/xdg"), ":")...)
}
