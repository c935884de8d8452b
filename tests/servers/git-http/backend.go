package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"fluxbot/tests/servers/serving"
)

// backend runs `git http-backend` for each request. net/http/cgi would nearly do, but it refuses
// chunked requests, which is how Git clients send large packs.
type backend struct {
	git, root string
}

func (b backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	command := exec.Command(b.git, "http-backend")
	command.Env = append(serving.GitEnvironment(b.root), environment(b.root, r)...)
	command.Stdin = r.Body
	command.WaitDelay = 10 * time.Second
	var complaints bytes.Buffer
	command.Stderr = &complaints
	output, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}

	// Git answers while it still reads; without this Go would cut the rest of the request off.
	_ = http.NewResponseController(w).EnableFullDuplex()
	if err := answer(w, output); err != nil {
		fmt.Fprintf(os.Stderr, "%s %s: %v\n", r.Method, r.URL, err)
	}
	_ = output.Close()
	if err := command.Wait(); err != nil {
		fmt.Fprintf(os.Stderr, "%s %s: %v: %s\n", r.Method, r.URL, err, complaints.String())
	}
}

func environment(root string, r *http.Request) []string {
	user, _, _ := r.BasicAuth()
	variables := []string{
		"GATEWAY_INTERFACE=CGI/1.1",
		"SERVER_PROTOCOL=" + r.Proto,
		"REQUEST_METHOD=" + r.Method,
		"GIT_PROJECT_ROOT=" + root,
		"GIT_HTTP_EXPORT_ALL=1",
		"PATH_INFO=" + r.URL.Path,
		"QUERY_STRING=" + r.URL.RawQuery,
		"CONTENT_TYPE=" + r.Header.Get("Content-Type"),
		"HTTP_CONTENT_ENCODING=" + r.Header.Get("Content-Encoding"),
		"REMOTE_USER=" + user,
		"REMOTE_ADDR=127.0.0.1",
	}
	if r.ContentLength >= 0 {
		variables = append(variables, "CONTENT_LENGTH="+strconv.FormatInt(r.ContentLength, 10))
	}
	return append(variables, serving.GitProtocol(r.Header.Get("Git-Protocol"))...)
}

// answer passes a CGI answer on, piece by piece as it comes, so that progress arrives in time.
func answer(w http.ResponseWriter, output io.Reader) error {
	reader := bufio.NewReader(output)
	header, err := textproto.NewReader(reader).ReadMIMEHeader()
	if err != nil {
		http.Error(w, "git http-backend gave no answer", http.StatusInternalServerError)
		return fmt.Errorf("reading the backend's header: %w", err)
	}
	status := http.StatusOK
	if line := header.Get("Status"); line != "" {
		code, _, _ := strings.Cut(line, " ")
		if status, err = strconv.Atoi(code); err != nil {
			http.Error(w, "git http-backend gave a bad status", http.StatusInternalServerError)
			return fmt.Errorf("reading the status %q: %w", line, err)
		}
		header.Del("Status")
	}
	for name, values := range header {
		w.Header()[name] = values
	}
	w.WriteHeader(status)

	controller := http.NewResponseController(w)
	buffer := make([]byte, 32<<10)
	for {
		n, err := reader.Read(buffer)
		if n > 0 {
			if _, err := w.Write(buffer[:n]); err != nil {
				return fmt.Errorf("writing the answer: %w", err)
			}
			_ = controller.Flush()
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the backend's answer: %w", err)
		}
	}
}
