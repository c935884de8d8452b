// Command keyring answers which entry of a docker configuration the kubelet tries first for an image.
//
//	go run . refresh FILE   answers each case of a golden file anew
//
// A case is a JSON object on a line of its own, with the keys of a docker configuration and the name of an image, both as a person
// writes them; the key whose credentials come first is put beside them, empty where there is none.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"log"
	"os"
	"strings"

	"k8s.io/kubernetes/pkg/credentialprovider"
	"k8s.io/kubernetes/pkg/util/parsers"
)

// Case is a question and the answer of the kubelet's keyring.
type Case struct {
	Keys  []string `json:"keys"`
	Image string   `json:"image"`
	First string   `json:"first"`
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 || os.Args[1] != "refresh" {
		log.Fatal("usage: keyring refresh FILE")
	}
	content, err := os.ReadFile(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	lines := bufio.NewScanner(bytes.NewReader(content))
	for lines.Scan() {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		var question Case
		if err := json.Unmarshal(lines.Bytes(), &question); err != nil {
			log.Fatal(err)
		}
		question.First = first(question)
		if err := encoder.Encode(question); err != nil {
			log.Fatal(err)
		}
	}
	if err := os.WriteFile(os.Args[2], out.Bytes(), 0o644); err != nil {
		log.Fatal(err)
	}
}

// first asks the keyring with the name that the kubelet makes of an image before it pulls.
func first(question Case) string {
	config := credentialprovider.DockerConfig{}
	for _, key := range question.Keys {
		config[key] = credentialprovider.DockerConfigEntry{Username: key, Password: "x"}
	}
	keyring := &credentialprovider.BasicDockerKeyring{}
	keyring.Add(nil, config)
	repository, _, _, err := parsers.ParseImageName(question.Image)
	if err != nil {
		log.Fatal(err)
	}
	found, _ := keyring.Lookup(repository)
	if len(found) == 0 {
		return ""
	}
	return found[0].Username
}
