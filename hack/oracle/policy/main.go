// Command policy answers questions about tag policies with the Go originals.
//
//	go run . refresh FILE...   answers each case of golden files anew
//	go run . answer            answers cases on standard input, one a line
//
// A case is a JSON object with a kind and its arguments; the answer is put beside them.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"math"
	"os"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// Case is a question and its answer. Exactly one of Error and Answer is set once it is answered.
type Case struct {
	Kind   string          `json:"kind"`
	Args   []string        `json:"args"`
	Error  string          `json:"error,omitempty"`
	Answer json.RawMessage `json:"answer,omitempty"`
}

// oracles maps a kind of case to the original that answers it.
var oracles = map[string]func(args []string) (any, error){
	"version":      version,
	"compare":      compare,
	"candidates":   func([]string) (any, error) { return candidates, nil },
	"range":        admitted,
	"regexp":       groups,
	"expand":       expand,
	"float":        float,
	"quote":        func(args []string) (any, error) { return strconv.Quote(args[0]), nil },
	"semver":       newest,
	"numerical":    greatest,
	"alphabetical": last,
}

func init() {
	// Refers to the map, so that it cannot be part of its initial value.
	oracles["filtered"] = filtered
}

func main() {
	log.SetFlags(0)
	if len(os.Args) < 2 {
		log.Fatal("usage: policy refresh FILE... | policy answer")
	}
	switch os.Args[1] {
	case "refresh":
		for _, path := range os.Args[2:] {
			if err := refresh(path); err != nil {
				log.Fatalf("%s: %v", path, err)
			}
		}
	case "answer":
		if err := answerLines(); err != nil {
			log.Fatal(err)
		}
	default:
		log.Fatalf("unknown command %q", os.Args[1])
	}
}

func refresh(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var cases []Case
	if err := json.Unmarshal(content, &cases); err != nil {
		return err
	}
	var out bytes.Buffer
	out.WriteString("[\n")
	for i := range cases {
		if err := cases[i].answer(); err != nil {
			return err
		}
		if err := encode(&out, cases[i]); err != nil {
			return err
		}
		if i < len(cases)-1 {
			out.Truncate(out.Len() - 1)
			out.WriteString(",\n")
		}
	}
	out.WriteString("]\n")
	return os.WriteFile(path, out.Bytes(), 0o644)
}

func answerLines() error {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for in.Scan() {
		var c Case
		if err := json.Unmarshal(in.Bytes(), &c); err != nil {
			return err
		}
		if err := c.answer(); err != nil {
			return err
		}
		if err := encode(out, c); err != nil {
			return err
		}
	}
	return in.Err()
}

func encode(w interface{ Write([]byte) (int, error) }, c Case) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(c)
}

func (c *Case) answer() error {
	oracle, ok := oracles[c.Kind]
	if !ok {
		return fmt.Errorf("unknown kind %q", c.Kind)
	}
	c.Error, c.Answer = "", nil
	args := append([]string{}, c.Args...)
	if slices.Contains([]string{"semver", "numerical"}, c.Kind) {
		// Flux hands tags to policies in descending byte order.
		sort.Sort(sort.Reverse(sort.StringSlice(args[1:])))
	}
	answer, err := oracle(args)
	if err != nil {
		c.Error = err.Error()
		return nil
	}
	var raw bytes.Buffer
	encoder := json.NewEncoder(&raw)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(answer); err != nil {
		return err
	}
	c.Answer = bytes.TrimSpace(raw.Bytes())
	return nil
}

// version reads a version: its canonical form, and whether it counts as a tag.
func version(args []string) (any, error) {
	v, err := semver.NewVersion(args[0])
	if err != nil {
		return nil, err
	}
	return []any{v.String(), isTag(args[0])}, nil
}

// isTag is the check that Flux makes before it reads a tag as a version.
func isTag(text string) bool {
	return len(strings.SplitN(text, ".", 3)) == 3
}

// compare compares two versions.
func compare(args []string) (any, error) {
	a, err := semver.NewVersion(args[0])
	if err != nil {
		return nil, err
	}
	b, err := semver.NewVersion(args[1])
	if err != nil {
		return nil, err
	}
	return a.Compare(b), nil
}

// candidates are the versions for ranges that name none.
var candidates = strings.Fields(`
0.0.0 0.0.1 0.0.2 0.1.0 0.1.1 0.2.0 0.2.3 0.2.9 0.3.0 0.9.9 1.0.0 1.0.1 1.1.0 1.2.0 1.2.2 1.2.3
1.2.4 1.2.99 1.3.0 1.4.0 1.4.9 1.5.0 1.9.9 2.0.0 2.0.1 2.1.0 3.0.0 10.0.0 11.0.0 11.1.0 11.1.1
11.2.0 12.0.0 2024.1.5 0.0.0-0 0.0.0-a 0.0.1-rc.1 0.2.3-beta 1.0.0-0 1.0.0-alpha 1.0.0-rc.1
1.2.0-rc.1 1.2.3-alpha 1.2.3-rc.1 1.2.4-rc.1 1.3.0-rc.1 2.0.0-rc.1 2.0.0-0 2.1.0-a 3.0.0-a
1.2.3+meta
`)

// admitted lists the versions, after the first argument, that the range admits.
func admitted(args []string) (any, error) {
	c, err := semver.NewConstraint(args[0])
	if err != nil {
		return nil, err
	}
	versions := args[1:]
	if len(versions) == 0 {
		versions = candidates
	}
	admitted := []string{}
	for _, text := range versions {
		if v, err := semver.NewVersion(text); err == nil && c.Check(v) {
			admitted = append(admitted, text)
		}
	}
	return admitted, nil
}

// groups lists, for each text after the pattern, the groups of the leftmost match, or null.
func groups(args []string) (any, error) {
	re, err := regexp.Compile(args[0])
	if err != nil {
		return nil, err
	}
	answers := [][]*string{}
	for _, text := range args[1:] {
		var found []*string
		if at := re.FindStringSubmatchIndex(text); at != nil {
			for i := 0; i < len(at); i += 2 {
				if at[i] < 0 {
					found = append(found, nil)
					continue
				}
				group := text[at[i]:at[i+1]]
				found = append(found, &group)
			}
		}
		answers = append(answers, found)
	}
	return answers, nil
}

// expand fills a template from the match of a pattern in a text; null without a match.
func expand(args []string) (any, error) {
	re, err := regexp.Compile(args[0])
	if err != nil {
		return nil, err
	}
	at := re.FindStringSubmatchIndex(args[2])
	if at == nil {
		return nil, nil
	}
	return string(re.ExpandString(nil, args[1], args[2], at)), nil
}

// float reads a number: the bits of the double, or "nan".
func float(args []string) (any, error) {
	f, err := strconv.ParseFloat(args[0], 64)
	if err != nil {
		return nil, err
	}
	if math.IsNaN(f) {
		return "nan", nil
	}
	return fmt.Sprintf("%016x", math.Float64bits(f)), nil
}

// newest is Flux's semver policy over tags in the given order.
func newest(args []string) (any, error) {
	c, err := semver.NewConstraint(args[0])
	if err != nil {
		return nil, fmt.Errorf("invalid policy: %w", err)
	}
	tags, err := inOrder(args[1:])
	if err != nil {
		return nil, err
	}
	var newest *semver.Version
	for _, tag := range tags {
		if !isTag(tag) {
			continue
		}
		v, err := semver.NewVersion(tag)
		if err == nil && c.Check(v) && (newest == nil || v.GreaterThan(newest)) {
			newest = v
		}
	}
	if newest == nil {
		return nil, fmt.Errorf("unable to determine latest version from provided list")
	}
	return newest.Original(), nil
}

// greatest is Flux's numerical policy over tags in the given order.
func greatest(args []string) (any, error) {
	tags, err := inOrder(args[1:])
	if err != nil {
		return nil, err
	}
	var best string
	var bestNumber float64
	for i, tag := range tags {
		number, err := strconv.ParseFloat(tag, 64)
		if err != nil {
			return nil, fmt.Errorf("failed to parse invalid numeric value '%s'", tag)
		}
		worse := number < bestNumber
		if args[0] == "desc" {
			worse = number > bestNumber
		}
		if i == 0 || !worse {
			best, bestNumber = tag, number
		}
	}
	return best, nil
}

// last is Flux's alphabetical policy.
func last(args []string) (any, error) {
	tags, err := inOrder(args[1:])
	if err != nil {
		return nil, err
	}
	tags = append([]string{}, tags...)
	sort.Sort(sort.Reverse(sort.StringSlice(tags)))
	if args[0] == "desc" {
		return tags[len(tags)-1], nil
	}
	return tags[0], nil
}

// inOrder refuses an empty list, as all policies of Flux do.
func inOrder(tags []string) ([]string, error) {
	if len(tags) == 0 {
		return nil, fmt.Errorf("version list argument cannot be empty")
	}
	return tags, nil
}

// filtered lists all that Flux may select through a tag filter. The arguments are the kind of policy and its
// argument, pattern, template and the tags. Flux goes through the values in random order, so there may be several.
func filtered(args []string) (any, error) {
	kind, argument, pattern, template, tags := args[0], args[1], args[2], args[3], args[4:]
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("failed to filter tags: invalid regular expression pattern '%s': %w", pattern, err)
	}
	sort.Sort(sort.Reverse(sort.StringSlice(tags)))
	tagOf := map[string]string{}
	for _, tag := range tags {
		at := re.FindStringSubmatchIndex(tag)
		if at == nil {
			continue
		}
		value := tag
		if template != "" {
			value = string(re.ExpandString(nil, template, tag, at))
		}
		tagOf[value] = tag
	}
	values := []string{}
	for value := range tagOf {
		values = append(values, value)
	}
	outcomes := map[string]bool{}
	permute(values, len(values), func(values []string) {
		best, err := oracles[kind](append([]string{argument}, values...))
		if err != nil {
			outcomes["error: "+err.Error()] = true
			return
		}
		outcomes[tagOf[best.(string)]] = true
	})
	possible := []string{}
	for outcome := range outcomes {
		possible = append(possible, outcome)
	}
	sort.Strings(possible)
	return possible, nil
}

// permute calls visit with each order of the first n texts.
func permute(texts []string, n int, visit func([]string)) {
	if n <= 1 {
		visit(texts)
		return
	}
	for i := range n {
		permute(texts, n-1, visit)
		if n%2 == 0 {
			texts[i], texts[n-1] = texts[n-1], texts[i]
		} else {
			texts[0], texts[n-1] = texts[n-1], texts[0]
		}
	}
}
