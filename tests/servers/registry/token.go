package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"time"

	"fluxbot/tests/servers/serving"

	"github.com/distribution/distribution/v3/registry/auth/token"
	"github.com/go-jose/go-jose/v4"
)

const (
	tokenPath        = "/auth/token"
	tokenServiceName = "fluxbot-test-registry"
	tokenIssuer      = "fluxbot-test-tokens"
	tokenKeyID       = "fluxbot-test-key"
)

// tokenService gives signed tokens as the distribution token specification describes: GET with Basic
// credentials, and POST with a password or a refresh token (the OAuth2 form).
type tokenService struct {
	user, password string
	anonymousPull  bool
	lifetime       time.Duration
	key            *ecdsa.PrivateKey
	signer         jose.Signer
	refreshToken   string
}

func newTokenService(user, password string, anonymousPull bool, lifetime time.Duration) *tokenService {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		serving.Fail("creating the token key", err)
	}
	signing := jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: tokenKeyID}}
	signer, err := jose.NewSigner(signing, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		serving.Fail("creating the token signer", err)
	}
	return &tokenService{
		user: user, password: password, anonymousPull: anonymousPull, lifetime: lifetime,
		key: key, signer: signer, refreshToken: rand.Text(),
	}
}

// writeKeys writes the public key for the registry to check tokens with.
func (s *tokenService) writeKeys(path string) {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{
		Key: s.key.Public(), KeyID: tokenKeyID, Algorithm: string(jose.ES256), Use: "sig",
	}}}
	encoded, err := json.Marshal(set)
	if err != nil {
		serving.Fail("encoding the token key", err)
	}
	if err := os.WriteFile(path, encoded, 0o600); err != nil {
		serving.Fail("writing the token key", err)
	}
}

type tokenAnswer struct {
	Token        string `json:"token,omitempty"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token,omitempty"`
	ExpiresIn    int    `json:"expires_in"`
	IssuedAt     string `json:"issued_at"`
}

func (s *tokenService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	known, anonymous := s.identify(r)
	if !known && !(anonymous && s.anonymousPull) {
		w.Header().Set("WWW-Authenticate", `Basic realm="`+tokenServiceName+`"`)
		answerJSON(w, http.StatusUnauthorized, map[string]any{
			"errors": []map[string]string{{"code": "UNAUTHORIZED", "message": "authentication required"}},
		})
		return
	}
	if r.Form.Get("service") != tokenServiceName {
		http.Error(w, "unknown service "+r.Form.Get("service"), http.StatusBadRequest)
		return
	}

	var access []*token.ResourceActions
	for _, scopes := range r.Form["scope"] {
		for scope := range strings.FieldsSeq(scopes) {
			if granted := grant(scope, known); granted != nil {
				access = append(access, granted)
			}
		}
	}
	signed, err := s.sign(access)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer := tokenAnswer{
		AccessToken: signed, ExpiresIn: int(s.lifetime.Seconds()),
		IssuedAt: time.Now().UTC().Format(time.RFC3339),
	}
	if r.Method == http.MethodGet {
		answer.Token = signed
	}
	if known && (r.Form.Get("offline_token") == "true" || r.Form.Get("access_type") == "offline") {
		answer.RefreshToken = s.refreshToken
	}
	answerJSON(w, http.StatusOK, answer)
}

// identify tells whether the request has the right credentials, and whether it has none at all.
func (s *tokenService) identify(r *http.Request) (known, anonymous bool) {
	if r.Method == http.MethodPost {
		switch r.PostForm.Get("grant_type") {
		case "password":
			return s.matches(r.PostForm.Get("username"), r.PostForm.Get("password")), false
		case "refresh_token":
			return same(r.PostForm.Get("refresh_token"), s.refreshToken), false
		}
		return false, false
	}
	user, password, given := r.BasicAuth()
	return given && s.matches(user, password), !given
}

func (s *tokenService) matches(user, password string) bool {
	return same(user, s.user) && same(password, s.password)
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// grant turns `repository:name:pull,push` into what the caller may do: everything when known, pull
// otherwise. Names may hold colons (a port), hence the cuts from both ends.
func grant(scope string, known bool) *token.ResourceActions {
	kind, rest, _ := strings.Cut(scope, ":")
	colon := strings.LastIndex(rest, ":")
	if colon < 0 {
		return nil
	}
	granted := &token.ResourceActions{Type: kind, Name: rest[:colon]}
	for action := range strings.SplitSeq(rest[colon+1:], ",") {
		if known || action == "pull" {
			granted.Actions = append(granted.Actions, action)
		}
	}
	return granted
}

func (s *tokenService) sign(access []*token.ResourceActions) (string, error) {
	now := time.Now()
	claims, err := json.Marshal(token.ClaimSet{
		Issuer: tokenIssuer, Subject: s.user, Audience: token.AudienceList{tokenServiceName},
		IssuedAt: now.Unix(), NotBefore: now.Unix(), Expiration: now.Add(s.lifetime).Unix(),
		JWTID: rand.Text(), Access: access,
	})
	if err != nil {
		return "", err
	}
	signed, err := s.signer.Sign(claims)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

func answerJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
