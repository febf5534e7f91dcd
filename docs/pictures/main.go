// Pictures draws the pictures of the documentation. Run it in the root of the
// repository after a change; a test wants what it draws to be checked in:
//
//	go run ./docs/pictures
package main

import (
	"log"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// pictures are the files of the documentation's directory and who draws them.
var pictures = map[string]func() (*canvas, string, string){
	"tree.svg":      tree,
	"ctx.svg":       callContext,
	"reconnect.svg": reconnect,
}

func main() {
	for _, name := range slices.Sorted(maps.Keys(pictures)) {
		c, title, description := pictures[name]()
		if err := os.WriteFile(filepath.Join("docs", name), []byte(c.svg(title, description)), 0o644); err != nil {
			log.Fatal("pictures: run me in the root of the repository: ", err)
		}
	}
}
