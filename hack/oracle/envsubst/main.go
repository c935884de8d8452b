// Command envsubst answers what Flux makes of variables in a text.
//
//	go run . refresh FILE...   answers each line of golden files anew
//	go run . answer            answers cases on standard input, one a line
//
// A case is a JSON object with a text, the variables, and whether missing ones are an error. The result is put beside them: the
// bytes, in hexadecimal digits where they are no UTF-8, or the error.
package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"log"
	"os"
	"unicode/utf8"

	"github.com/fluxcd/pkg/envsubst"
)

// Case is a text with variables, and what becomes of it.
type Case struct {
	Text   string            `json:"text"`
	Vars   map[string]string `json:"vars,omitempty"`
	Strict bool              `json:"strict,omitempty"`
	Output *string           `json:"output,omitempty"`
	Hex    string            `json:"hex,omitempty"`
	Error  string            `json:"error,omitempty"`
}

func main() {
	log.SetFlags(0)
	if len(os.Args) < 2 {
		log.Fatal("usage: envsubst refresh FILE... | envsubst answer")
	}
	var err error
	switch os.Args[1] {
	case "refresh":
		for _, path := range os.Args[2:] {
			if err = refresh(path); err != nil {
				break
			}
		}
	case "answer":
		err = answer(os.Stdin, os.Stdout)
	default:
		log.Fatalf("unknown command %q", os.Args[1])
	}
	if err != nil {
		log.Fatal(err)
	}
}

func refresh(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := answer(bytes.NewReader(content), &out); err != nil {
		return err
	}
	return os.WriteFile(path, out.Bytes(), 0o644)
}

func answer(r io.Reader, w io.Writer) error {
	in := bufio.NewScanner(r)
	in.Buffer(nil, 1<<22)
	out := bufio.NewWriter(w)
	defer out.Flush()
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for in.Scan() {
		var c Case
		if err := json.Unmarshal(in.Bytes(), &c); err != nil {
			return err
		}
		c.answer()
		if err := encoder.Encode(c); err != nil {
			return err
		}
	}
	return in.Err()
}

func (c *Case) answer() {
	c.Output, c.Hex, c.Error = nil, "", ""
	defer func() {
		if recover() != nil {
			c.Output, c.Hex, c.Error = nil, "", "panic"
		}
	}()
	output, err := envsubst.Eval(c.Text, func(name string) (string, bool) {
		value, exists := c.Vars[name]
		return value, exists || !c.Strict
	})
	switch {
	case err != nil:
		c.Error = err.Error()
	case utf8.ValidString(output):
		c.Output = &output
	default:
		c.Hex = hex.EncodeToString([]byte(output))
	}
}
