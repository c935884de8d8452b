package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	yaml2 "go.yaml.in/yaml/v2"
	yaml3 "go.yaml.in/yaml/v3"
	kyaml "sigs.k8s.io/kustomize/kyaml/yaml"
	sigsyaml "sigs.k8s.io/yaml"
)

// maxExpanded bounds what aliases may stand for: kustomize itself has no bound.
const maxExpanded = 300_000

// api reads all documents as sigs.k8s.io/yaml reads the first one.
func api(text string, strict bool) (any, error) {
	decoder := yaml2.NewDecoder(strings.NewReader(text))
	decoder.SetStrict(strict)
	documents := []json.RawMessage{}
	for {
		var document any
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		value, err := jsonable(document)
		if err != nil {
			return nil, err
		}
		encoded, err := marshal(value)
		if err != nil {
			return nil, err
		}
		documents = append(documents, encoded)
	}
	return documents, agree(text, strict, documents)
}

// agree checks that the first document is what sigs.k8s.io/yaml says, unless that is left to chance.
func agree(text string, strict bool, documents []json.RawMessage) error {
	if len(documents) == 0 || text == "" {
		return nil
	}
	convert := sigsyaml.YAMLToJSON
	if strict {
		convert = sigsyaml.YAMLToJSONStrict
	}
	want, err := convert([]byte(text))
	if err != nil {
		return fmt.Errorf("sigs.k8s.io/yaml disagrees: %w", err)
	}
	var one, other any
	if json.Unmarshal(want, &one) != nil || json.Unmarshal(documents[0], &other) != nil {
		return errors.New("sigs.k8s.io/yaml disagrees")
	}
	if fmt.Sprint(one) != fmt.Sprint(other) {
		return fmt.Errorf("sigs.k8s.io/yaml disagrees: %s", want)
	}
	return nil
}

func marshal(value any) (json.RawMessage, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(buffer.Bytes()), nil
}

// jsonable turns keys into strings by the rules of sigs.k8s.io/yaml.
func jsonable(value any) (any, error) {
	switch value := value.(type) {
	case map[any]any:
		fields := make(map[string]any, len(value))
		for key, field := range value {
			name, err := keyName(key)
			if err != nil {
				return nil, err
			}
			if fields[name], err = jsonable(field); err != nil {
				return nil, err
			}
		}
		return fields, nil
	case []any:
		items := make([]any, len(value))
		for i, item := range value {
			var err error
			if items[i], err = jsonable(item); err != nil {
				return nil, err
			}
		}
		return items, nil
	default:
		return value, nil
	}
}

func keyName(key any) (string, error) {
	switch key := key.(type) {
	case string:
		return key, nil
	case int:
		return strconv.Itoa(key), nil
	case int64:
		return strconv.FormatInt(key, 10), nil
	case bool:
		return strconv.FormatBool(key), nil
	case float64:
		switch text := strconv.FormatFloat(key, 'g', -1, 32); text {
		case "+Inf":
			return ".inf", nil
		case "-Inf":
			return "-.inf", nil
		case "NaN":
			return ".nan", nil
		default:
			return text, nil
		}
	default:
		return "", fmt.Errorf("unsupported map key of type: %T", key)
	}
}

// nodes reads all documents as kustomize does, without what follows on that.
func nodes(text string) ([]*yaml3.Node, error) {
	decoder := yaml3.NewDecoder(strings.NewReader(text))
	var found []*yaml3.Node
	for {
		node := &yaml3.Node{}
		err := decoder.Decode(node)
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		found = append(found, node.Content[0])
	}
}

// kustomize reads all documents as kustomize does and gives them as it would print them.
func kustomize(text string) (any, error) {
	found, err := nodes(text)
	if err != nil {
		return nil, err
	}
	documents := []json.RawMessage{}
	for _, node := range found {
		left := maxExpanded
		if err := expandable(node, map[*yaml3.Node]bool{}, &left); err != nil {
			return nil, err
		}
		encoded, err := resource(node)
		if err != nil {
			return nil, err
		}
		documents = append(documents, encoded)
	}
	return documents, nil
}

func resource(node *yaml3.Node) (json.RawMessage, error) {
	object := kyaml.NewRNode(node)
	if err := object.DeAnchor(); err != nil {
		return nil, err
	}
	if object.YNode().Kind != yaml3.ScalarNode {
		encoded, err := object.MarshalJSON()
		if err != nil {
			return nil, err
		}
		var value any
		decoder := json.NewDecoder(bytes.NewReader(encoded))
		decoder.UseNumber()
		if err := decoder.Decode(&value); err != nil {
			return nil, err
		}
		return marshal(value)
	}
	var value any
	if err := object.YNode().Decode(&value); err != nil {
		return nil, err
	}
	return marshal(value)
}

// expandable refuses aliases that stand for themselves, and those that stand for too much.
func expandable(node *yaml3.Node, around map[*yaml3.Node]bool, left *int) error {
	if *left--; *left < 0 {
		return errors.New("too many values")
	}
	if node.Kind == yaml3.AliasNode {
		if around[node.Alias] {
			return fmt.Errorf("anchor '%s' value contains itself", node.Value)
		}
		return expandable(node.Alias, around, left)
	}
	around[node] = true
	defer delete(around, node)
	for _, child := range node.Content {
		if err := expandable(child, around, left); err != nil {
			return err
		}
	}
	return nil
}

// places gives line and column of all values, keys and aliases left out.
func places(text string) (any, error) {
	found, err := nodes(text)
	if err != nil {
		return nil, err
	}
	all := [][2]int{}
	for _, node := range found {
		place(node, &all)
	}
	return all, nil
}

func place(node *yaml3.Node, all *[][2]int) {
	*all = append(*all, [2]int{node.Line, node.Column})
	for i, child := range node.Content {
		if node.Kind != yaml3.MappingNode || i%2 == 1 {
			place(child, all)
		}
	}
}
