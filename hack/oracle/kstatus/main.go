// Command kstatus answers how far objects have come with the Go original.
//
//	go run . refresh FILE...   answers each case of golden files anew
//
// A case is a JSON object with an object; its status and message, or an error, are put beside it.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"log"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Case is an object and the answer of kstatus for it.
type Case struct {
	Object  json.RawMessage `json:"object"`
	Status  string          `json:"status,omitempty"`
	Message string          `json:"message,omitempty"`
	Error   string          `json:"error,omitempty"`
}

func main() {
	log.SetFlags(0)
	if len(os.Args) < 3 || os.Args[1] != "refresh" {
		log.Fatal("usage: kstatus refresh FILE...")
	}
	for _, name := range os.Args[2:] {
		if err := refresh(name); err != nil {
			log.Fatalf("%s: %v", name, err)
		}
	}
}

func refresh(name string) error {
	content, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var answered bytes.Buffer
	encoder := json.NewEncoder(&answered)
	encoder.SetEscapeHTML(false)
	lines := bufio.NewScanner(bytes.NewReader(content))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var question Case
		if err := json.Unmarshal(lines.Bytes(), &question); err != nil {
			return err
		}
		answer, err := answer(question.Object)
		if err != nil {
			return err
		}
		if err := encoder.Encode(answer); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return os.WriteFile(name, answered.Bytes(), 0o644)
}

func answer(text json.RawMessage) (Case, error) {
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(text); err != nil {
		return Case{}, err
	}
	result, err := status.Compute(object)
	if err != nil {
		return Case{Object: text, Error: err.Error()}, nil
	}
	return Case{Object: text, Status: result.Status.String(), Message: result.Message}, nil
}
