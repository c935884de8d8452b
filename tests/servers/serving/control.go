package serving

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Request is one entry of the request log.
type Request struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	Query  string `json:"query"`
	// Protocol is the version that the client asked for, as in `HTTP/1.1` or Git's `version=2`.
	Protocol string `json:"protocol"`
	// Authorization is the scheme of the credentials that came along, never the credentials.
	Authorization string `json:"authorization"`
	// Headers are the request's headers without Authorization, first value of each.
	Headers map[string]string `json:"headers"`
	// ContentLength is what the client announced; -1 when it streamed.
	ContentLength int64 `json:"content_length"`
	BytesReceived int64 `json:"bytes_received"`
	BytesSent     int64 `json:"bytes_sent"`
	// Status is the answer's, also when the answer was dropped; 0 when there was none.
	Status int `json:"status"`
	// Fault names the action that was done to this request; empty for most.
	Fault string `json:"fault"`
}

// Actions of a Fault.
const (
	// AnswerStatus answers with Status and Headers in the server's place.
	AnswerStatus = "status"
	// DropRequest closes the connection before the server has seen the request.
	DropRequest = "drop-request"
	// DropResponse lets the server finish its work and closes the connection instead of answering.
	DropResponse = "drop-response"
	// HoldRequest keeps the request from the server until the fault is cleared.
	HoldRequest = "hold-request"
	// HoldResponse lets the server finish and keeps the answer back until the fault is cleared.
	HoldResponse = "hold-response"
)

// Fault is something to do to the next requests that match. PathContains also names the test that
// ordered it: tests that share a server clear and await only what has their own.
type Fault struct {
	Action string `json:"action"`
	// Count is how many requests it happens to.
	Count int `json:"count"`
	// Method and PathContains select requests; empty matches all.
	Method       string            `json:"method"`
	PathContains string            `json:"path_contains"`
	Status       int               `json:"status"`
	Headers      map[string]string `json:"headers"`
	Body         string            `json:"body"`
	// cleared is closed when the fault is; whoever is held waits for it.
	cleared chan struct{}
}

// Control records requests and hands out faults.
type Control struct {
	mutex    sync.Mutex
	changed  *sync.Cond
	requests []*Request
	faults   []*Fault
	held     map[string]int
}

// NewControl returns an empty log without faults.
func NewControl() *Control {
	c := &Control{held: map[string]int{}}
	c.changed = sync.NewCond(&c.mutex)
	return c
}

// Record adds a request to the log; change it later only through Update.
func (c *Control) Record(request *Request) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.requests = append(c.requests, request)
}

// Update changes a recorded request.
func (c *Control) Update(change func()) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	change()
}

// Take returns the fault for a request and uses it up once; nil for a request to leave alone.
func (c *Control) Take(method, path string) *Fault {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for _, fault := range c.faults {
		if fault.Count > 0 && (fault.Method == "" || fault.Method == method) && strings.Contains(path, fault.PathContains) {
			fault.Count--
			return fault
		}
	}
	return nil
}

// Hold blocks until the fault is cleared, and counts the caller as held meanwhile.
func (c *Control) Hold(fault *Fault) {
	c.countHeld(fault.PathContains, 1)
	defer c.countHeld(fault.PathContains, -1)
	<-fault.cleared
}

func (c *Control) countHeld(pathContains string, difference int) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.held[pathContains] += difference
	c.changed.Broadcast()
}

// Listen serves the control interface on a free loopback port and returns its address.
//
//	GET    /__requests         the log, oldest first
//	DELETE /__requests         forgets it
//	POST   /__faults           adds a Fault
//	DELETE /__faults?path_contains=P
//	                           clears the faults that were ordered with this path_contains, and
//	                           releases what they hold
//	GET    /__held?path_contains=P&count=N
//	                           answers once such faults hold N requests at the same time
func (c *Control) Listen() string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		Fail("listening for control", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /__requests", c.list)
	mux.HandleFunc("DELETE /__requests", func(http.ResponseWriter, *http.Request) {
		c.Update(func() { c.requests = nil })
	})
	mux.HandleFunc("POST /__faults", c.addFault)
	mux.HandleFunc("DELETE /__faults", c.clearFaults)
	mux.HandleFunc("GET /__held", c.awaitHeld)
	go func() { Fail("serving control", http.Serve(listener, mux)) }()
	return listener.Addr().String()
}

func (c *Control) list(w http.ResponseWriter, _ *http.Request) {
	c.mutex.Lock()
	requests := make([]Request, 0, len(c.requests))
	for _, request := range c.requests {
		requests = append(requests, *request)
	}
	c.mutex.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(requests)
}

func (c *Control) addFault(w http.ResponseWriter, r *http.Request) {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	fault := &Fault{Count: 1, cleared: make(chan struct{})}
	if err := decoder.Decode(fault); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	switch fault.Action {
	case AnswerStatus, DropRequest, DropResponse, HoldRequest, HoldResponse:
	default:
		http.Error(w, "unknown action "+strconv.Quote(fault.Action), http.StatusBadRequest)
		return
	}
	c.Update(func() { c.faults = append(c.faults, fault) })
}

func (c *Control) clearFaults(_ http.ResponseWriter, r *http.Request) {
	pathContains := r.URL.Query().Get("path_contains")
	c.Update(func() {
		c.faults = slices.DeleteFunc(c.faults, func(fault *Fault) bool {
			if fault.PathContains != pathContains {
				return false
			}
			close(fault.cleared)
			return true
		})
	})
}

func (c *Control) awaitHeld(w http.ResponseWriter, r *http.Request) {
	count, err := strconv.Atoi(r.URL.Query().Get("count"))
	if err != nil {
		http.Error(w, "count must be a number", http.StatusBadRequest)
		return
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for c.held[r.URL.Query().Get("path_contains")] < count {
		c.changed.Wait()
	}
}

// Wrap records every request that next gets and applies the ordered faults.
func (c *Control) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		record := &Request{
			Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Protocol: r.Proto,
			Authorization: scheme, Headers: firstValues(r.Header), ContentLength: r.ContentLength,
		}
		c.Record(record)
		r.Body = &countingBody{ReadCloser: r.Body, control: c, record: record}
		recorder := &recordingWriter{ResponseWriter: w, control: c, record: record}

		fault := c.Take(r.Method, r.URL.Path)
		if fault == nil {
			next.ServeHTTP(recorder, r)
			return
		}
		c.Update(func() { record.Fault = fault.Action })
		switch fault.Action {
		case AnswerStatus:
			for name, value := range fault.Headers {
				recorder.Header().Set(name, value)
			}
			recorder.WriteHeader(fault.Status)
			_, _ = io.WriteString(recorder, fault.Body)
		case DropRequest:
			panic(http.ErrAbortHandler)
		case DropResponse:
			next.ServeHTTP(recorder.detached(), r)
			panic(http.ErrAbortHandler)
		case HoldRequest:
			c.Hold(fault)
			next.ServeHTTP(recorder, r)
		case HoldResponse:
			detached := recorder.detached()
			next.ServeHTTP(detached, r)
			c.Hold(fault)
			detached.replay(w)
		}
	})
}

func firstValues(header http.Header) map[string]string {
	values := map[string]string{}
	for name := range header {
		if name != "Authorization" {
			values[name] = header.Get(name)
		}
	}
	return values
}

type countingBody struct {
	io.ReadCloser
	control *Control
	record  *Request
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.control.Update(func() { b.record.BytesReceived += int64(n) })
	return n, err
}

// recordingWriter notes the answer in the log.
type recordingWriter struct {
	http.ResponseWriter
	control *Control
	record  *Request
}

func (w *recordingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *recordingWriter) WriteHeader(status int) {
	w.control.Update(func() { w.record.Status = status })
	w.ResponseWriter.WriteHeader(status)
}

func (w *recordingWriter) Write(p []byte) (int, error) {
	w.control.Update(func() {
		if w.record.Status == 0 {
			w.record.Status = http.StatusOK
		}
		w.record.BytesSent += int64(len(p))
	})
	return w.ResponseWriter.Write(p)
}

// detached returns a writer that notes the answer and keeps it from the client.
func (w *recordingWriter) detached() *detachedWriter {
	return &detachedWriter{header: http.Header{}, control: w.control, record: w.record}
}

type detachedWriter struct {
	header  http.Header
	control *Control
	record  *Request
	status  int
	body    []byte
}

func (w *detachedWriter) Header() http.Header { return w.header }

func (w *detachedWriter) WriteHeader(status int) {
	if w.status != 0 {
		return
	}
	w.status = status
	w.control.Update(func() { w.record.Status = status })
}

func (w *detachedWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	w.body = append(w.body, p...)
	return len(p), nil
}

func (w *detachedWriter) Flush() {}

func (w *detachedWriter) SetReadDeadline(time.Time) error  { return nil }
func (w *detachedWriter) SetWriteDeadline(time.Time) error { return nil }
func (w *detachedWriter) EnableFullDuplex() error          { return nil }

// replay gives the kept answer to the client.
func (w *detachedWriter) replay(to http.ResponseWriter) {
	for name, values := range w.header {
		to.Header()[name] = values
	}
	w.WriteHeader(http.StatusOK)
	to.WriteHeader(w.status)
	n, _ := to.Write(w.body)
	w.control.Update(func() { w.record.BytesSent += int64(n) })
}
