package main

import (
	"encoding/json"
	"strconv"
	"strings"

	yaml2 "go.yaml.in/yaml/v2"
	sigsyaml "sigs.k8s.io/yaml"
)

// sigs writes JSON as YAML, as kustomize prints objects.
func sigs(text string) (any, error) {
	value, err := decode(text)
	if err != nil {
		return nil, err
	}
	out, err := sigsyaml.Marshal(value)
	return string(out), err
}

// emit writes JSON as YAML with go-yaml v2 alone, which takes characters that sigs.k8s.io/yaml refuses on the way.
func emit(text string) (any, error) {
	value, err := decode(text)
	if err != nil {
		return nil, err
	}
	out, err := yaml2.Marshal(native(value))
	return string(out), err
}

func decode(text string) (any, error) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	err := decoder.Decode(&value)
	return value, err
}

// native turns the numbers of JSON into those that go-yaml reads.
func native(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for name, field := range value {
			value[name] = native(field)
		}
		return value
	case []any:
		for i, item := range value {
			value[i] = native(item)
		}
		return value
	case json.Number:
		if integer, err := strconv.ParseInt(value.String(), 10, 64); err == nil {
			return integer
		}
		if integer, err := strconv.ParseUint(value.String(), 10, 64); err == nil {
			return integer
		}
		float, _ := strconv.ParseFloat(value.String(), 64)
		return float
	default:
		return value
	}
}
