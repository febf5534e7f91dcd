// Package tomlconf reads the TOML configurations of Flux. It is here, and not in the module of the SDK, because that
// module depends on no TOML library.
package tomlconf

import (
	"fmt"

	"github.com/pelletier/go-toml/v2"
)

// Decode reads a TOML document. It is what joboptions.Host.DecodeTOML asks for. Besides TOML 1.0, which the Flux
// commands read, it takes the additions of TOML 1.1, such as a comma at the end of an inline table.
func Decode(text []byte) (map[string]any, error) {
	document := map[string]any{}
	if err := toml.Unmarshal(text, &document); err != nil {
		return nil, fmt.Errorf("invalid TOML: %w", err)
	}
	return document, nil
}
