// Command setters answers what Flux's setter does to a file, with the libraries that it is made of.
//
//	go run . refresh FILE...   answers each case of golden files anew
//	go run . answer            answers cases on standard input, one a line
//
// A case is a JSON object with a kind and its arguments; the answer is put beside them.
//
//	set TEXT             the scalars that get another value: [setter, old, new] each, in the order of the text
//	difference OLD NEW   the scalars that two texts do not have in common: [old, new] each, in their order
//
// The policies are p0 to p99 and a to z of namespace ns, each of which selected new.example/NAME:v9.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"

	yamlv3 "go.yaml.in/yaml/v3"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"sigs.k8s.io/kustomize/kyaml/fieldmeta"
	"sigs.k8s.io/kustomize/kyaml/kio"
	"sigs.k8s.io/kustomize/kyaml/openapi"
	"sigs.k8s.io/kustomize/kyaml/yaml"
)

const (
	key    = "$imagepolicy"
	extKey = "x-k8s-cli"
)

// Case is a question and its answer. Exactly one of Error and Answer is set once it is answered.
type Case struct {
	Kind   string   `json:"kind"`
	Args   []string `json:"args"`
	Error  string   `json:"error,omitempty"`
	Answer any      `json:"answer,omitempty"`
}

func main() {
	log.SetFlags(0)
	fieldmeta.SetShortHandRef(key)
	openapi.SuppressBuiltInSchemaUse()
	if len(os.Args) < 2 {
		log.Fatal("usage: setters refresh FILE... | setters answer")
	}
	schema := definitions()
	var err error
	switch os.Args[1] {
	case "refresh":
		for _, path := range os.Args[2:] {
			if err = refresh(schema, path); err != nil {
				break
			}
		}
	case "answer":
		err = answerLines(schema)
	default:
		err = fmt.Errorf("unknown command %q", os.Args[1])
	}
	if err != nil {
		log.Fatal(err)
	}
}

// definitions has a setter for each policy and each part of its image.
func definitions() *spec.Schema {
	var names []string
	for i := range 100 {
		names = append(names, fmt.Sprintf("p%d", i))
	}
	for c := 'a'; c <= 'z'; c++ {
		names = append(names, string(c))
	}
	schema := &spec.Schema{}
	schema.Definitions = map[string]spec.Schema{}
	for _, name := range names {
		image := "new.example/" + name
		for suffix, value := range map[string]string{"": image + ":v9", ":name": image, ":tag": "v9", ":digest": ""} {
			setter := "ns:" + name + suffix
			definition := spec.StringProperty()
			definition.Extensions = map[string]any{}
			definition.Extensions.Add(extKey, map[string]any{
				"setter": map[string]string{"name": setter, "value": value},
			})
			schema.Definitions[fieldmeta.SetterDefinitionPrefix+setter] = *definition
		}
	}
	return schema
}

func (c *Case) answer(schema *spec.Schema) {
	c.Error, c.Answer = "", nil
	var err error
	switch c.Kind {
	case "set":
		c.Answer, err = set(schema, c.Args[0])
	case "difference":
		c.Answer, err = difference(c.Args[0], c.Args[1])
	default:
		err = fmt.Errorf("unknown kind %q", c.Kind)
	}
	if err != nil {
		c.Error, c.Answer = err.Error(), nil
	}
}

// set reads a file as Flux does and visits its scalars.
func set(schema *spec.Schema, text string) (changes [][3]string, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("panic: %v", panicked)
		}
	}()
	changes = [][3]string{}
	if !bytes.Contains([]byte(text), []byte(fmt.Sprintf("%q", key))) {
		return changes, nil
	}
	reader := &kio.ByteReader{Reader: bytes.NewBufferString(text), PreserveSeqIndent: true}
	nodes, err := reader.Read()
	if err != nil {
		return nil, err
	}
	for _, node := range nodes {
		if err := visit(schema, node, &changes); err != nil {
			return nil, err
		}
	}
	return changes, nil
}

func visit(schema *spec.Schema, node *yaml.RNode, changes *[][3]string) error {
	switch node.YNode().Kind {
	case yaml.MappingNode:
		return node.VisitFields(func(field *yaml.MapNode) error { return visit(schema, field.Value, changes) })
	case yaml.SequenceNode:
		return node.VisitElements(func(element *yaml.RNode) error { return visit(schema, element, changes) })
	case yaml.ScalarNode:
		name, value, found := setter(schema, node)
		if old := node.YNode().Value; found && old != value {
			*changes = append(*changes, [3]string{name, old, value})
			// A repeated key shows the same node twice.
			node.YNode().Value = value
		}
	}
	return nil
}

// setter is what the comment of a scalar refers to.
func setter(schema *spec.Schema, node *yaml.RNode) (name, value string, found bool) {
	meta := fieldmeta.FieldMeta{SettersSchema: schema}
	if err := meta.Read(node); err != nil || meta.IsEmpty() {
		return "", "", false
	}
	if meta.Schema.Ref.String() != "" {
		if resolved, err := openapi.Resolve(&meta.Schema.Ref, schema); err == nil && resolved != nil {
			meta.Schema = *resolved
		}
	}
	raw, err := json.Marshal(meta.Schema.Extensions[extKey])
	if err != nil {
		return "", "", false
	}
	var extension struct {
		Setter *struct{ Name, Value string }
	}
	if json.Unmarshal(raw, &extension) != nil || extension.Setter == nil {
		return "", "", false
	}
	return extension.Setter.Name, extension.Setter.Value, true
}

// difference compares the scalars of two texts as go-yaml reads them.
func difference(before, after string) ([][2]string, error) {
	old, err := scalars(before)
	if err != nil {
		return nil, fmt.Errorf("before: %w", err)
	}
	now, err := scalars(after)
	if err != nil {
		return nil, fmt.Errorf("after: %w", err)
	}
	if len(old) != len(now) {
		return nil, fmt.Errorf("%d nodes have become %d", len(old), len(now))
	}
	differences := [][2]string{}
	for i := range old {
		if old[i] != now[i] {
			differences = append(differences, [2]string{old[i], now[i]})
		}
	}
	return differences, nil
}

// scalars lists the values and comments of a stream, and its collections and aliases by their kinds.
func scalars(text string) ([]string, error) {
	decoder := yamlv3.NewDecoder(bytes.NewBufferString(text))
	list := []string{}
	var walk func(node *yamlv3.Node)
	walk = func(node *yamlv3.Node) {
		switch node.Kind {
		case yamlv3.ScalarNode:
			list = append(list, node.Value)
		case yamlv3.AliasNode:
			list = append(list, "*"+node.Value)
		default:
			list = append(list, fmt.Sprintf("%d %s", node.Kind, node.Tag))
		}
		list = append(list, node.HeadComment+"\n"+node.LineComment+"\n"+node.FootComment+"\n"+node.Anchor)
		for _, child := range node.Content {
			walk(child)
		}
	}
	for {
		var node yamlv3.Node
		err := decoder.Decode(&node)
		if err == io.EOF {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		walk(&node)
	}
}

func refresh(schema *spec.Schema, path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var cases []Case
	if err := json.Unmarshal(content, &cases); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var out bytes.Buffer
	out.WriteString("[\n")
	for i := range cases {
		cases[i].answer(schema)
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

func answerLines(schema *spec.Schema) error {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<22)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for in.Scan() {
		var c Case
		if err := json.Unmarshal(in.Bytes(), &c); err != nil {
			return err
		}
		c.answer(schema)
		if err := encode(out, c); err != nil {
			return err
		}
	}
	return in.Err()
}

func encode(w io.Writer, c Case) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(c)
}
