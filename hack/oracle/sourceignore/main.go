// Command sourceignore answers which files Flux leaves out of an artifact.
//
//	go run . refresh FILE...   answers each case of golden files anew
//	go run . answer            answers cases on standard input, one a line
//
// A case is a JSON object with ignore files by path, spec.ignore and paths; the ignored paths are put beside them. A path that
// ends with a slash is a folder.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/fluxcd/pkg/sourceignore"
)

// Case is a source and the paths in it that are ignored.
type Case struct {
	Files   map[string]string `json:"files,omitempty"`
	Spec    string            `json:"spec,omitempty"`
	Paths   []string          `json:"paths"`
	Ignored []string          `json:"ignored"`
}

func main() {
	log.SetFlags(0)
	if len(os.Args) < 2 {
		log.Fatal("usage: sourceignore refresh FILE... | sourceignore answer")
	}
	var err error
	switch os.Args[1] {
	case "refresh":
		for _, path := range os.Args[2:] {
			if err = refresh(path); err != nil {
				break
			}
		}
	case "answer":
		err = answerLines()
	default:
		log.Fatalf("unknown command %q", os.Args[1])
	}
	if err != nil {
		log.Fatal(err)
	}
}

func refresh(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var cases []Case
	if err := json.Unmarshal(content, &cases); err != nil {
		return err
	}
	var out bytes.Buffer
	out.WriteString("[\n")
	for i := range cases {
		if err := cases[i].answer(); err != nil {
			return err
		}
		if err := encode(&out, cases[i]); err != nil {
			return err
		}
		if i < len(cases)-1 {
			out.Truncate(out.Len() - 1)
			out.WriteString(",\n")
		}
	}
	out.WriteString("]\n")
	return os.WriteFile(path, out.Bytes(), 0o644)
}

func answerLines() error {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for in.Scan() {
		var c Case
		if err := json.Unmarshal(in.Bytes(), &c); err != nil {
			return err
		}
		if err := c.answer(); err != nil {
			return err
		}
		if err := encode(out, c); err != nil {
			return err
		}
	}
	return in.Err()
}

func encode(w interface{ Write([]byte) (int, error) }, c Case) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(c)
}

// answer puts the ignore files on disk and asks as source-controller does when it packs a checkout.
func (c *Case) answer() error {
	root, err := os.MkdirTemp("", "sourceignore")
	if err != nil {
		return err
	}
	defer os.RemoveAll(root)
	for path, content := range c.Files {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	domain := strings.Split(root, string(filepath.Separator))
	patterns, err := sourceignore.LoadIgnorePatterns(root, domain)
	if err != nil {
		return err
	}
	patterns = append(patterns, sourceignore.ReadPatterns(strings.NewReader(c.Spec), domain)...)
	matcher := sourceignore.NewDefaultMatcher(patterns, domain)
	if len(patterns) > 0 {
		matcher = sourceignore.NewMatcher(append(sourceignore.VCSPatterns(domain), patterns...))
	}
	c.Ignored = []string{}
	for _, path := range c.Paths {
		folder := strings.HasSuffix(path, "/")
		segments := append(append([]string{}, domain...), strings.Split(strings.TrimSuffix(path, "/"), "/")...)
		if matcher.Match(segments, folder) {
			c.Ignored = append(c.Ignored, path)
		}
	}
	return nil
}
