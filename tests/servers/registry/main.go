// Command registry runs the CNCF distribution registry on its filesystem storage for the tests.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"fluxbot/tests/servers/serving"

	"github.com/distribution/distribution/v3/configuration"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	_ "github.com/distribution/distribution/v3/registry/auth/token"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
	"github.com/sirupsen/logrus"
	"golang.org/x/crypto/bcrypt"
)

func main() {
	serving.EndWithParent()
	site := serving.RegisterHTTPFlags()
	storage := flag.String("storage", "", "directory with the registry's data (default: one that goes away)")
	basicAuth := flag.Bool("basic-auth", false, "ask for user and password on every request")
	tokenAuth := flag.Bool("token-auth", false, "ask for a bearer token, and run the service that gives them")
	anonymousPull := flag.Bool("anonymous-pull", false, "with --token-auth: give everybody tokens to pull")
	tokenLifetime := flag.Duration("token-lifetime", 5*time.Minute, "with --token-auth: how long a token lives")
	user := flag.String("user", "fluxbot", "the user that --basic-auth and --token-auth know")
	password := flag.String("password", "correct-horse-31337", "the password of the user")
	pageSize := flag.Int("page-size", 0, "list at most this many tags at once, also when not asked to (0: all)")
	flag.Parse()

	scratch := serving.DirectoryOrScratch("", "fluxbot-registry-")
	data := *storage
	if data == "" {
		data = filepath.Join(scratch, "data")
	}
	data = serving.DirectoryOrScratch(data, "")
	listening := site.Listen(scratch)
	control := serving.NewControl()

	mux := http.NewServeMux()
	config := configure(data, *pageSize)
	switch {
	case *basicAuth:
		file := filepath.Join(scratch, "htpasswd")
		writePasswordFile(file, *user, *password)
		config.Auth = configuration.Auth{"htpasswd": {"realm": "fluxbot", "path": file}}
	case *tokenAuth:
		tokens := newTokenService(*user, *password, *anonymousPull, *tokenLifetime)
		mux.Handle(tokenPath, tokens)
		keys := filepath.Join(scratch, "jwks.json")
		tokens.writeKeys(keys)
		config.Auth = configuration.Auth{"token": {
			"realm":   listening.URL + tokenPath,
			"service": tokenServiceName, "issuer": tokenIssuer, "jwks": keys,
			"signingalgorithms": []any{"ES256"},
		}}
	}

	logrus.SetLevel(logrus.ErrorLevel)
	mux.Handle("/", limitPages(handlers.NewApp(context.Background(), config), *pageSize))

	ready := listening.Ready
	ready.Control = control.Listen()
	ready.Root = data
	serving.Announce(ready)
	listening.Serve(control.Wrap(mux))
}

func configure(data string, pageSize int) *configuration.Configuration {
	config := &configuration.Configuration{
		Storage: configuration.Storage{
			"filesystem":  {"rootdirectory": data},
			"delete":      {"enabled": true},
			"maintenance": {"uploadpurging": map[any]any{"enabled": false}},
		},
	}
	config.HTTP.Secret = "fluxbot"
	config.Catalog.MaxEntries = 1000
	config.Tags.MaxTags = pageSize
	return config
}

// limitPages asks for pages on behalf of clients that do not: the hosted registries page their tag
// lists unasked, this one does so only when the request has a size.
func limitPages(next http.Handler, pageSize int) http.Handler {
	if pageSize == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		if strings.HasSuffix(r.URL.Path, "/tags/list") && !query.Has("n") {
			query.Set("n", strconv.Itoa(pageSize))
			r.URL.RawQuery = query.Encode()
		}
		next.ServeHTTP(w, r)
	})
}

func writePasswordFile(path, user, password string) {
	// The cheapest hash: it is checked on every request.
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		serving.Fail("hashing the password", err)
	}
	if err := os.WriteFile(path, fmt.Appendf(nil, "%s:%s\n", user, hash), 0o600); err != nil {
		serving.Fail("writing the password file", err)
	}
}
