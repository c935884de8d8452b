// Command message answers what commit messages templates make of the data of Flux's image-automation-controller.
//
//	go run . refresh FILE   answers each case of a golden file anew
//
// The first line of the file is the data: automation, values, and the changes with their images. Each further line is a case: a
// template t, and the output o or the error e. With "former": true it is rendered with the data of version 0.41, which has
// .Updated; else with that of 1.2.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/kustomize/kyaml/yaml"

	formersource "fluxbot/hack/oracle/message/former/source"
	formerupdate "fluxbot/hack/oracle/message/former/update"
	"fluxbot/hack/oracle/message/source"
	"fluxbot/hack/oracle/message/update"
)

// Data is what a message tells of.
type Data struct {
	Namespace string            `json:"namespace"`
	Name      string            `json:"name"`
	Values    map[string]string `json:"values"`
	Images    map[string]string `json:"images"`
	Changes   []Change          `json:"changes"`
}

// Change is one changed value.
type Change struct {
	File       string `json:"file"`
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace"`
	Name       string `json:"name"`
	Old        string `json:"old"`
	New        string `json:"new"`
	Setter     string `json:"setter"`
}

// Case is a template with its answer.
type Case struct {
	Template string  `json:"t"`
	Former   bool    `json:"former,omitempty"`
	Output   *string `json:"o,omitempty"`
	Error    *string `json:"e,omitempty"`
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 || os.Args[1] != "refresh" {
		log.Fatal("usage: message refresh FILE")
	}
	if err := refresh(os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

func refresh(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	scanner := bufio.NewScanner(bytes.NewReader(content))
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if !scanner.Scan() {
		return fmt.Errorf("%s has no data", path)
	}
	out.WriteString(scanner.Text() + "\n")
	var data Data
	if err := json.Unmarshal(scanner.Bytes(), &data); err != nil {
		return err
	}
	now, former, err := build(data)
	if err != nil {
		return err
	}
	for scanner.Scan() {
		var answered Case
		if err := json.Unmarshal(scanner.Bytes(), &answered); err != nil {
			return fmt.Errorf("%s: %w", scanner.Text(), err)
		}
		var output string
		var err error
		if answered.Former {
			output, err = render(answered.Template, *former)
		} else {
			output, err = render(answered.Template, *now)
		}
		answered.Output, answered.Error = &output, nil
		if err != nil {
			text := err.Error()
			answered.Output, answered.Error = nil, &text
		}
		if err := encoder.Encode(answered); err != nil {
			return err
		}
	}
	return os.WriteFile(path, out.Bytes(), 0o644)
}

func build(data Data) (*source.TemplateData, *formersource.TemplateData, error) {
	var changed update.Result
	var updated formerupdate.Result
	for _, change := range data.Changes {
		object := update.ObjectIdentifier{ResourceIdentifier: yaml.ResourceIdentifier{
			TypeMeta: yaml.TypeMeta{APIVersion: change.APIVersion, Kind: change.Kind},
			NameMeta: yaml.NameMeta{Name: change.Name, Namespace: change.Namespace},
		}}
		changed.AddChange(change.File, object, update.Change{
			OldValue: change.Old, NewValue: change.New, Setter: change.Setter,
		})
		parts := strings.Split(change.Setter, ":")
		image := data.Images[parts[0]+":"+parts[1]]
		ref, err := formerupdate.NewImageRef(image, types.NamespacedName{Namespace: parts[0], Name: parts[1]})
		if err != nil {
			return nil, nil, err
		}
		updated.Add(change.File, object, ref)
	}
	automation := types.NamespacedName{Namespace: data.Namespace, Name: data.Name}
	now := &source.TemplateData{AutomationObject: automation, Changed: changed, Values: data.Values}
	former := &formersource.TemplateData{
		AutomationObject: automation,
		Updated:          updated,
		Changed:          formerupdate.ResultV2{ImageResult: updated, Result: changed},
		Values:           data.Values,
	}
	return now, former, nil
}

// render does as the controller does.
func render(text string, data any) (string, error) {
	parsed, err := template.New("commit message").Funcs(sprig.HermeticTxtFuncMap()).Parse(text)
	if err != nil {
		return "", fmt.Errorf("unable to create commit message template from spec: %w", err)
	}
	var out strings.Builder
	if err := parsed.Execute(&out, data); err != nil {
		return "", fmt.Errorf("failed to run template from spec: %w", err)
	}
	return out.String(), nil
}
