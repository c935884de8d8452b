// Command yaml answers what the Go originals read and write.
//
//	go run . answer            answers cases on standard input, one a line
//	go run . refresh FILE...   answers each case of golden files anew
//	go run . letters           prints the ranges of letters and digits, by which go-yaml sorts keys
//
// A case is a JSON object with a kind and a text; the answer is put beside them.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"unicode"
)

// Case is a question and its answer. Exactly one of Error and Answer is set once it is answered.
type Case struct {
	Kind   string          `json:"kind"`
	Text   string          `json:"text"`
	Error  string          `json:"error,omitempty"`
	Answer json.RawMessage `json:"answer,omitempty"`
}

// oracles maps a kind of case to the original that answers it.
var oracles = map[string]func(text string) (any, error){
	"api":       func(text string) (any, error) { return api(text, false) },
	"strict":    func(text string) (any, error) { return api(text, true) },
	"kustomize": kustomize,
	"places":    places,
	"emit":      emit,
	"sigs":      sigs,
}

func main() {
	log.SetFlags(0)
	if len(os.Args) < 2 {
		log.Fatal("usage: yaml answer | yaml refresh FILE... | yaml letters")
	}
	switch os.Args[1] {
	case "answer":
		if err := lines(os.Stdin, os.Stdout, true); err != nil {
			log.Fatal(err)
		}
	case "refresh":
		for _, path := range os.Args[2:] {
			if err := refresh(path); err != nil {
				log.Fatalf("%s: %v", path, err)
			}
		}
	case "letters":
		letters()
	default:
		log.Fatalf("no command %q", os.Args[1])
	}
}

// lines answers one case a line. With flush each answer is written at once.
func lines(in io.Reader, out io.Writer, flush bool) error {
	reader := bufio.NewReaderSize(in, 1<<20)
	writer := bufio.NewWriter(out)
	encoder := json.NewEncoder(writer)
	encoder.SetEscapeHTML(false)
	for {
		line, err := reader.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			var c Case
			if err := json.Unmarshal(line, &c); err != nil {
				return err
			}
			answer(&c)
			if err := encoder.Encode(c); err != nil {
				return err
			}
			if flush && reader.Buffered() == 0 {
				if err := writer.Flush(); err != nil {
					return err
				}
			}
		}
		if err == io.EOF {
			return writer.Flush()
		}
		if err != nil {
			return err
		}
	}
}

func answer(c *Case) {
	c.Error, c.Answer = "", nil
	defer func() {
		if fault := recover(); fault != nil {
			c.Error = fmt.Sprintf("panic: %v", fault)
		}
	}()
	oracle, ok := oracles[c.Kind]
	if !ok {
		c.Error = "unknown kind " + c.Kind
		return
	}
	value, err := oracle(c.Text)
	if err != nil {
		c.Error = err.Error()
		return
	}
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		c.Error = err.Error()
		return
	}
	c.Answer = bytes.TrimSpace(buffer.Bytes())
}

func refresh(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := lines(bytes.NewReader(content), &out, false); err != nil {
		return err
	}
	return os.WriteFile(path, out.Bytes(), 0o644)
}

// letters prints ranges outside of ASCII: `L first last` or `D first last`, in hexadecimal.
func letters() {
	fmt.Printf("# Unicode %s: the letters (L) and digits (D) of Go's package unicode, without ASCII.\n", unicode.Version)
	ranges("L", unicode.IsLetter)
	ranges("D", unicode.IsDigit)
}

func ranges(name string, is func(rune) bool) {
	start := rune(-1)
	for r := rune(0x80); r <= unicode.MaxRune+1; r++ {
		if inside := r <= unicode.MaxRune && is(r); inside && start < 0 {
			start = r
		} else if !inside && start >= 0 {
			fmt.Printf("%s %x %x\n", name, start, r-1)
			start = -1
		}
	}
}
