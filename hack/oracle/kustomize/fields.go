package main

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	gotypes "go/types"
	"io"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"

	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/resid"
	"sigs.k8s.io/yaml"
)

// tables reads the constants of an internal package from its source.
func tables() (map[string]string, error) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kustomize/api").Output()
	if err != nil {
		return nil, err
	}
	paths, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "internal/konfig/builtinpluginconsts/*.go"))
	if err != nil {
		return nil, err
	}
	set := token.NewFileSet()
	var files []*ast.File
	for _, path := range paths {
		if filepath.Base(path) == "defaultconfig.go" {
			continue
		}
		file, err := parser.ParseFile(set, path, nil, 0)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	checked, err := (&gotypes.Config{}).Check("consts", set, files, nil)
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, name := range checked.Scope().Names() {
		if value, is := checked.Scope().Lookup(name).(*gotypes.Const); is {
			text := constant.StringVal(value.Val())
			if !strings.HasPrefix(strings.TrimSpace(text), "-") {
				found[name] = text
			}
		}
	}
	return found, nil
}

type reference struct {
	Group      string            `json:"group"`
	Version    string            `json:"version"`
	Kind       string            `json:"kind"`
	FieldSpecs []types.FieldSpec `json:"fieldSpecs"`
}

func writeField(out io.Writer, field types.FieldSpec) {
	create := ""
	if field.CreateIfNotPresent {
		create = " create"
	}
	fmt.Fprintf(out, "  %s %s%s\n", selector(field.Group, field.Version, field.Kind), field.Path, create)
}

func selector(parts ...string) string {
	out := ""
	for i, part := range parts {
		if i > 0 {
			out += "|"
		}
		out += part
	}
	return out
}

func writeFields(out io.Writer) error {
	fmt.Fprintln(out, "# The fields that kustomize's transformers change: group|version|kind path. Written by hack/oracle/kustomize.")
	tables, err := tables()
	if err != nil {
		return err
	}
	var names []string
	for name := range tables {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if name == "nameReferenceFieldSpecs" {
			var table struct {
				NameReference []reference `json:"nameReference"`
			}
			if err := yaml.Unmarshal([]byte(tables[name]), &table); err != nil {
				return err
			}
			gvk := func(i int) resid.Gvk {
				r := table.NameReference[i]
				return resid.NewGvk(r.Group, r.Version, r.Kind)
			}
			sort.SliceStable(table.NameReference, func(i, j int) bool { return gvk(i).IsLessThan(gvk(j)) })
			for _, target := range table.NameReference {
				fmt.Fprintf(out, "reference %s\n", selector(target.Group, target.Version, target.Kind))
				for _, field := range target.FieldSpecs {
					writeField(out, field)
				}
			}
			continue
		}
		var table map[string][]types.FieldSpec
		if err := yaml.Unmarshal([]byte(tables[name]), &table); err != nil {
			return err
		}
		for section, fields := range table {
			fmt.Fprintf(out, "fields %s\n", section)
			for _, field := range fields {
				writeField(out, field)
			}
		}
	}
	return nil
}
