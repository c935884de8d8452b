package main

import (
	"fmt"
	"io"
	"sort"
	"strings"

	"k8s.io/kube-openapi/pkg/validation/spec"
	"sigs.k8s.io/kustomize/kyaml/openapi"
	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// newerClusterKinds are kinds that kyaml knows without a schema.
var newerClusterKinds = []yaml.TypeMeta{
	{APIVersion: "admissionregistration.k8s.io/v1", Kind: "ValidatingAdmissionPolicy"},
	{APIVersion: "admissionregistration.k8s.io/v1", Kind: "ValidatingAdmissionPolicyBinding"},
}

func short(name string) string {
	for _, prefix := range []string{"io.k8s.api.", "io.k8s.apimachinery.pkg.", "io.k8s.apiextensions-apiserver.pkg.", "io.k8s.kube-aggregator.pkg."} {
		if rest, found := strings.CutPrefix(name, prefix); found {
			return rest
		}
	}
	return name
}

func target(schema *spec.Schema) string {
	ref := schema.Ref.String()
	return ref[strings.LastIndex(ref, "/")+1:]
}

// list gives the merge keys of a list that patches merge, and whether it is one.
func list(schema *spec.Schema) ([]string, bool) {
	strategy, keys := (&openapi.ResourceSchema{Schema: schema}).PatchStrategyAndKeyList()
	for _, part := range strings.Split(strategy, ",") {
		if part == "merge" && len(schema.Type) == 1 && schema.Type[0] == "array" {
			return keys, true
		}
	}
	return nil, false
}

// fields gives the fields of a definition that lead to a list that patches merge: "field type keys...".
func fields(schema *spec.Schema, useful map[string]bool) []string {
	var out []string
	add := func(name string, field *spec.Schema) {
		kind, inner := "", field
		switch {
		case field.Items != nil && field.Items.Schema != nil:
			kind, inner = "[]", field.Items.Schema
		case field.AdditionalProperties != nil && field.AdditionalProperties.Schema != nil:
			kind, inner = "{}", field.AdditionalProperties.Schema
		}
		keys, merged := list(field)
		to := target(inner)
		if !useful[to] {
			to = ""
		}
		if !merged && to == "" {
			return
		}
		line := name + " " + kind + short(to)
		if to == "" {
			line = name + " " + kind + "-"
		}
		if merged {
			line += " merge " + strings.Join(keys, " ")
		}
		out = append(out, strings.TrimSpace(line))
	}
	for name := range schema.Properties {
		field := schema.Properties[name]
		add(name, &field)
	}
	if schema.AdditionalProperties != nil && schema.AdditionalProperties.Schema != nil {
		add("*", schema.AdditionalProperties.Schema)
	}
	sort.Strings(out)
	return out
}

func writeSchema(out io.Writer) {
	definitions := openapi.Schema().Definitions
	useful := map[string]bool{}
	for changed := true; changed; {
		changed = false
		for name, definition := range definitions {
			if !useful[name] && len(fields(&definition, useful)) > 0 {
				useful[name], changed = true, true
			}
		}
	}
	var lines, names []string
	cluster := map[string]bool{}
	for _, kind := range newerClusterKinds {
		cluster[kind.APIVersion+" "+kind.Kind] = true
	}
	for name, definition := range definitions {
		names = append(names, name)
		kinds, _ := definition.Extensions["x-kubernetes-group-version-kind"].([]any)
		for _, entry := range kinds {
			gvk, _ := entry.(map[string]any)
			text := func(key string) string { value, _ := gvk[key].(string); return value }
			meta := yaml.TypeMeta{APIVersion: text("version"), Kind: text("kind")}
			if text("group") != "" {
				meta.APIVersion = text("group") + "/" + meta.APIVersion
			}
			if openapi.IsCertainlyClusterScoped(meta) {
				cluster[meta.APIVersion+" "+meta.Kind] = true
			}
			if useful[name] && len(kinds) == 1 {
				lines = append(lines, fmt.Sprintf("kind %s %s %s", meta.APIVersion, meta.Kind, short(name)))
			}
		}
	}
	for kind := range cluster {
		lines = append(lines, "cluster "+kind)
	}
	sort.Strings(lines)
	sort.Strings(names)
	fmt.Fprintln(out, "# From the OpenAPI document of Kubernetes v1.21.2, as kustomize bundles it. Written by hack/oracle/kustomize.")
	for _, line := range lines {
		fmt.Fprintln(out, line)
	}
	for _, name := range names {
		if definition := definitions[name]; useful[name] {
			fmt.Fprintln(out, "type "+short(name))
			for _, line := range fields(&definition, useful) {
				fmt.Fprintln(out, "  "+line)
			}
		}
	}
}
