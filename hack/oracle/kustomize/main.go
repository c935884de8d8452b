// Command kustomize answers what kustomize and sigs.k8s.io/yaml make of an input, and writes the tables that the crates need.
//
//	go run . build FILE...    answers each case of golden files of builds anew
//	go run . yaml FILE...     answers each case of golden files of YAML anew
//	go run . answer           answers builds on standard input, one JSON object a line
//	go run . print            answers values on standard input, one JSON value a line, with their YAML as a JSON string
//	go run . folders          answers folders of the disk on standard input, one a line
//	go run . time FOLDER...   builds folders of the disk and prints the milliseconds that each takes
//	go run . schema           writes the table of lists that strategic merge patches merge
//	go run . fields           writes the table of fields that transformers change
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/kustomize/kyaml/openapi"
	"sigs.k8s.io/yaml"
)

// Build is a tree of files, the folder to build, and what kustomize says to it.
type Build struct {
	Name     string            `json:"name"`
	Run      string            `json:"run"`
	Reorder  string            `json:"reorder,omitempty"`
	RootOnly bool              `json:"rootOnly,omitempty"`
	// Use names files that several cases have.
	Use      []string          `json:"use,omitempty"`
	Files    map[string]string `json:"files,omitempty"`
	Expected string            `json:"expected,omitempty"`
	Error    string            `json:"error,omitempty"`
}

// Golden is the cases of a file, and the files that several of them have.
type Golden struct {
	Common map[string]string `json:"common"`
	Cases  []Build           `json:"cases"`
}

// Text is a text and the JSON that sigs.k8s.io/yaml reads in it, or a value and the YAML that it writes.
type Text struct {
	In    string          `json:"in,omitempty"`
	Value json.RawMessage `json:"value,omitempty"`
	YAML  string          `json:"yaml,omitempty"`
	Error string          `json:"error,omitempty"`
}

func main() {
	log.SetFlags(0)
	if len(os.Args) < 2 {
		log.Fatal("usage: kustomize build|yaml FILE... | answer | print | folders | time FOLDER... | schema | fields")
	}
	var err error
	switch os.Args[1] {
	case "build":
		for _, path := range os.Args[2:] {
			err = refreshBuilds(path)
			if err != nil {
				break
			}
		}
	case "yaml":
		for _, path := range os.Args[2:] {
			err = refresh(path, func(text *Text) { text.answer() })
			if err != nil {
				break
			}
		}
	case "answer":
		err = lines(func(line []byte) (any, error) {
			var build Build
			if err := json.Unmarshal(line, &build); err != nil {
				return nil, err
			}
			build.answer()
			return build, nil
		})
	case "print":
		err = lines(func(line []byte) (any, error) {
			out, err := yaml.JSONToYAML(line)
			return string(out), err
		})
	case "folders":
		err = lines(func(line []byte) (any, error) {
			openapi.ResetOpenAPI()
			build := Build{Run: string(line)}
			build.answerOn(filesys.MakeFsOnDisk())
			return build, nil
		})
	case "time":
		for _, path := range os.Args[2:] {
			start := time.Now()
			build := Build{Run: path}
			build.answerOn(filesys.MakeFsOnDisk())
			if build.Error != "" {
				log.Fatal(build.Error)
			}
			fmt.Printf("%s %d ms, %d bytes\n", path, time.Since(start).Milliseconds(), len(build.Expected))
		}
	case "schema":
		writeSchema(os.Stdout)
	case "fields":
		err = writeFields(os.Stdout)
	default:
		log.Fatalf("unknown command %q", os.Args[1])
	}
	if err != nil {
		log.Fatal(err)
	}
}

func (b *Build) answer() {
	fs := filesys.MakeFsInMemory()
	for path, content := range b.Files {
		if strings.Contains(content, "openapi") {
			// The schema is global, and one build would see that of another.
			openapi.ResetOpenAPI()
			defer openapi.ResetOpenAPI()
		}
		if err := fs.WriteFile(path, []byte(content)); err != nil {
			b.Expected, b.Error = "", err.Error()
			return
		}
	}
	b.answerOn(fs)
}

func (b *Build) answerOn(fs filesys.FileSystem) {
	b.Expected, b.Error = "", ""
	defer func() {
		if fault := recover(); fault != nil {
			b.Error = fmt.Sprintf("panic: %v", fault)
		}
	}()
	options := krusty.MakeDefaultOptions()
	options.Reorder = krusty.ReorderOptionNone
	if b.Reorder == "legacy" {
		options.Reorder = krusty.ReorderOptionLegacy
	}
	options.LoadRestrictions = types.LoadRestrictionsNone
	if b.RootOnly {
		options.LoadRestrictions = types.LoadRestrictionsRootOnly
	}
	result, err := krusty.MakeKustomizer(options).Run(fs, b.Run)
	if err != nil {
		b.Error = err.Error()
		return
	}
	out, err := result.AsYaml()
	if err != nil {
		b.Error = err.Error()
		return
	}
	b.Expected = string(out)
}

func (t *Text) answer() {
	t.Error = ""
	if t.In != "" {
		out, err := yaml.YAMLToJSON([]byte(t.In))
		if err != nil {
			t.Error = err.Error()
			return
		}
		t.Value = out
		return
	}
	out, err := yaml.JSONToYAML(t.Value)
	if err != nil {
		t.Error = err.Error()
		return
	}
	t.YAML = string(out)
}

// refreshBuilds answers the cases of a golden file of builds, and writes them one a line.
func refreshBuilds(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var golden Golden
	if err := json.Unmarshal(text, &golden); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	out.WriteString(`{"common": `)
	if err := encoder.Encode(golden.Common); err != nil {
		return err
	}
	out.WriteString(`, "cases": [` + "\n")
	for i := range golden.Cases {
		build := golden.Cases[i]
		build.Files = map[string]string{}
		for _, name := range build.Use {
			build.Files[name] = golden.Common[name]
		}
		for name, text := range golden.Cases[i].Files {
			build.Files[name] = text
		}
		build.answer()
		build.Files = golden.Cases[i].Files
		if i > 0 {
			out.WriteString(",")
		}
		if err := encoder.Encode(build); err != nil {
			return err
		}
	}
	out.WriteString("]}\n")
	return os.WriteFile(path, out.Bytes(), 0o644)
}

func refresh[T any](path string, answer func(*T)) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var cases []T
	if err := json.Unmarshal(text, &cases); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for i := range cases {
		answer(&cases[i])
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(cases); err != nil {
		return err
	}
	return os.WriteFile(path, out.Bytes(), 0o644)
}

func lines(answer func([]byte) (any, error)) error {
	scanner := bufio.NewScanner(os.Stdin)
	scanner.Buffer(nil, 1<<26)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for scanner.Scan() {
		if strings.TrimSpace(scanner.Text()) == "" {
			continue
		}
		result, err := answer(scanner.Bytes())
		if err != nil {
			return err
		}
		if err := encoder.Encode(result); err != nil {
			return err
		}
	}
	return scanner.Err()
}
