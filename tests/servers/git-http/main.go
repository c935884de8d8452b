// Command git-http serves bare repositories over smart HTTP, through `git http-backend`, for the tests.
package main

import (
	"crypto/subtle"
	"flag"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"

	"fluxbot/tests/servers/serving"
)

func main() {
	serving.EndWithParent()
	site := serving.RegisterHTTPFlags()
	root := flag.String("root", "", "directory with the bare repositories (default: one that goes away)")
	user := flag.String("user", "fluxbot", "the user that may read and write")
	password := flag.String("password", "correct-horse-31337", "the password of the user")
	bearer := flag.String("bearer", "", "a token that may read and write, too")
	anonymousRead := flag.Bool("anonymous-read", false, "let everybody read")
	flag.Parse()

	git, err := exec.LookPath("git")
	if err != nil {
		serving.Fail("looking for git", err)
	}
	scratch := serving.DirectoryOrScratch("", "fluxbot-git-http-")
	served := *root
	if served == "" {
		served = filepath.Join(scratch, "repositories")
	}
	served = serving.DirectoryOrScratch(served, "")

	listening := site.Listen(scratch)
	control := serving.NewControl()
	ready := listening.Ready
	ready.Control = control.Listen()
	ready.Root = served
	serving.Announce(ready)

	access := access{user: *user, password: *password, bearer: *bearer, anonymousRead: *anonymousRead}
	listening.Serve(control.Wrap(access.require(backend{git: git, root: served})))
}

// access decides who may do what.
type access struct {
	user, password, bearer string
	anonymousRead          bool
}

func (a access) require(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.allows(r) {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="fluxbot"`)
		http.Error(w, "authentication required", http.StatusUnauthorized)
	})
}

func (a access) allows(r *http.Request) bool {
	if user, password, given := r.BasicAuth(); given {
		return same(user, a.user) && same(password, a.password)
	}
	if token, given := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); given {
		return a.bearer != "" && same(token, a.bearer)
	}
	writes := strings.HasSuffix(r.URL.Path, "/git-receive-pack") || r.URL.Query().Get("service") == "git-receive-pack"
	return a.anonymousRead && !writes
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
