// Command template answers what templates give with Go's text/template and sprig's hermetic functions.
//
//	go run . refresh FILE...   answers each case of golden files anew
//	go run . serve             answers cases from standard input, line by line
//	go run . functions         prints the names of the functions
//
// A case is a JSON object with a template t and data d; the output o or the error e is put beside it. Data is JSON in which
// numbers without point are ints, and objects of one member that starts with $ are values of other types; see value.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"sort"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
)

// Case is a template with its data, options and answer.
type Case struct {
	Template string            `json:"t"`
	Data     json.RawMessage   `json:"d,omitempty"`
	Missing  string            `json:"missing,omitempty"`
	Delims   []string          `json:"delims,omitempty"`
	Plain    bool              `json:"plain,omitempty"`
	More     map[string]string `json:"more,omitempty"`
	Output   *string           `json:"o,omitempty"`
	Error    *string           `json:"e,omitempty"`
}

// User is a structure with fields and methods.
type User struct {
	Name  string
	Age   int
	Tags  []string
	Extra any
}

// Greet says something.
func (u User) Greet(greeting string) string { return greeting + ", " + u.Name }

// Fail fails.
func (u User) Fail() (string, error) { return "", fmt.Errorf("%s has failed", u.Name) }

// Sum adds.
func (u User) Sum(numbers ...int) int {
	sum := u.Age
	for _, number := range numbers {
		sum += number
	}
	return sum
}

// Self gives the user.
func (u User) Self() User { return u }

// ID is a structure that prints itself and can be a key.
type ID struct {
	Kind string
	Name string
}

func (i ID) String() string { return i.Kind + "/" + i.Name }

func main() {
	log.SetFlags(0)
	os.Setenv("TZ", "UTC")
	switch {
	case len(os.Args) > 2 && os.Args[1] == "refresh":
		for _, name := range os.Args[2:] {
			if err := refresh(name); err != nil {
				log.Fatalf("%s: %v", name, err)
			}
		}
	case len(os.Args) == 2 && os.Args[1] == "serve":
		if err := answerAll(os.Stdin, os.Stdout); err != nil {
			log.Fatal(err)
		}
	case len(os.Args) == 2 && os.Args[1] == "functions":
		var names []string
		for name := range sprig.HermeticTxtFuncMap() {
			names = append(names, name)
		}
		sort.Strings(names)
		fmt.Println(strings.Join(names, "\n"))
	default:
		log.Fatal("usage: template refresh FILE... | serve | functions")
	}
}

func refresh(name string) error {
	content, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var answered bytes.Buffer
	if err := answerAll(bytes.NewReader(content), &answered); err != nil {
		return err
	}
	return os.WriteFile(name, answered.Bytes(), 0o644)
}

func answerAll(in interface{ Read([]byte) (int, error) }, out interface{ Write([]byte) (int, error) }) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for lines.Scan() {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var question Case
		if err := json.Unmarshal(lines.Bytes(), &question); err != nil {
			return fmt.Errorf("%s: %w", lines.Bytes(), err)
		}
		question.Output, question.Error = nil, nil
		output, err := render(question)
		if err != nil {
			text := err.Error()
			question.Error = &text
		} else {
			question.Output = &output
		}
		if err := encoder.Encode(question); err != nil {
			return err
		}
	}
	return lines.Err()
}

func render(question Case) (output string, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("panic: %v", panicked)
		}
	}()
	t := template.New("t")
	if !question.Plain {
		t = t.Funcs(sprig.HermeticTxtFuncMap())
	}
	if question.Missing != "" {
		t = t.Option("missingkey=" + question.Missing)
	}
	if len(question.Delims) == 2 {
		t = t.Delims(question.Delims[0], question.Delims[1])
	}
	if _, err := t.Parse(question.Template); err != nil {
		return "", err
	}
	var names []string
	for name := range question.More {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if _, err := t.New(name).Parse(question.More[name]); err != nil {
			return "", err
		}
	}
	var data any
	if len(question.Data) > 0 {
		decoder := json.NewDecoder(bytes.NewReader(question.Data))
		decoder.UseNumber()
		var raw any
		if err := decoder.Decode(&raw); err != nil {
			return "", err
		}
		data = value(raw)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, data); err != nil {
		return "", err
	}
	return out.String(), nil
}

func integer(raw any) int64 {
	number, err := raw.(json.Number).Int64()
	if err != nil {
		panic(err)
	}
	return number
}

// value turns JSON into Go's values.
func value(raw any) any {
	switch raw := raw.(type) {
	case json.Number:
		if strings.ContainsAny(raw.String(), ".eE") {
			number, err := raw.Float64()
			if err != nil {
				panic(err)
			}
			return number
		}
		return int(integer(raw))
	case []any:
		list := make([]any, 0, len(raw))
		for _, item := range raw {
			list = append(list, value(item))
		}
		return list
	case map[string]any:
		if len(raw) == 1 {
			for kind, content := range raw {
				if strings.HasPrefix(kind, "$") {
					return typed(kind, content)
				}
			}
		}
		dict := map[string]any{}
		for key, item := range raw {
			dict[key] = value(item)
		}
		return dict
	default:
		return raw
	}
}

func typed(kind string, content any) any {
	switch kind {
	case "$int8":
		return int8(integer(content))
	case "$int16":
		return int16(integer(content))
	case "$int32":
		return int32(integer(content))
	case "$int64":
		return integer(content)
	case "$uint":
		return uint(integer(content))
	case "$uint8":
		return uint8(integer(content))
	case "$uint16":
		return uint16(integer(content))
	case "$uint32":
		return uint32(integer(content))
	case "$uint64":
		return uint64(integer(content))
	case "$float32":
		number, err := content.(json.Number).Float64()
		if err != nil {
			panic(err)
		}
		return float32(number)
	case "$bytes":
		return []byte(content.(string))
	case "$strings":
		list := []string{}
		for _, item := range content.([]any) {
			list = append(list, item.(string))
		}
		return list
	case "$ints":
		list := []int{}
		for _, item := range content.([]any) {
			list = append(list, int(integer(item)))
		}
		return list
	case "$map":
		dict := map[string]string{}
		for key, item := range content.(map[string]any) {
			dict[key] = item.(string)
		}
		return dict
	case "$maps":
		dict := map[string]map[string]int{}
		for key, item := range content.(map[string]any) {
			dict[key] = map[string]int{}
			for inner, number := range item.(map[string]any) {
				dict[key][inner] = int(integer(number))
			}
		}
		return dict
	case "$intmap":
		dict := map[int]any{}
		for index, item := range content.([]any) {
			dict[index*3-2] = value(item)
		}
		return dict
	case "$ids":
		dict := map[ID][]string{}
		for key, items := range content.(map[string]any) {
			kind, name, _ := strings.Cut(key, "/")
			dict[ID{kind, name}] = typed("$strings", items).([]string)
		}
		return dict
	case "$id":
		kind, name, _ := strings.Cut(content.(string), "/")
		return ID{kind, name}
	case "$user":
		members := content.(map[string]any)
		user := User{Extra: value(members["Extra"])}
		user.Name, _ = members["Name"].(string)
		if age, ok := members["Age"]; ok {
			user.Age = int(integer(age))
		}
		if tags, ok := members["Tags"]; ok {
			user.Tags = typed("$strings", tags).([]string)
		}
		return user
	case "$nil":
		switch content {
		case "list":
			return []any(nil)
		case "strings":
			return []string(nil)
		default:
			return map[string]any(nil)
		}
	case "$func":
		switch content {
		case "add":
			return func(a, b int) int { return a + b }
		case "join":
			return func(separator string, parts ...string) string { return strings.Join(parts, separator) }
		default:
			return func() (string, error) { return "", fmt.Errorf("it fails") }
		}
	}
	panic("unknown kind " + kind)
}
