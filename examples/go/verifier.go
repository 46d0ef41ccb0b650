package main

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"
)

// User is the user of an access token.
type User struct {
	jwt.RegisteredClaims
	Roles []string `json:"roles"`
}

// Verifier verifies access tokens with the published keys, without a call to sc-auth for each token. A logout takes effect
// when the token expires. If that is too late, call GET /api/v1/verify instead.
type Verifier struct {
	keys   keyfunc.Keyfunc
	parser *jwt.Parser
}

// NewVerifier fetches the keys of the API every five minutes, since one of them may have been revoked. A token with an
// unknown key also triggers a fetch, at most one in 10 seconds: anybody can make up tokens.
func NewVerifier(ctx context.Context, api, issuer, audience string) (*Verifier, error) {
	keys, err := keyfunc.NewDefaultOverrideCtx(ctx, []string{api + "/.well-known/jwks.json"}, keyfunc.Override{
		HTTPTimeout:       5 * time.Second,
		RefreshInterval:   5 * time.Minute,
		RefreshUnknownKID: rate.NewLimiter(rate.Every(10*time.Second), 1),
		RateLimitWaitMax:  time.Second,
	})
	parser := jwt.NewParser(jwt.WithIssuer(issuer), jwt.WithAudience(audience), jwt.WithExpirationRequired(),
		jwt.WithLeeway(5*time.Second), jwt.WithValidMethods([]string{"EdDSA", "ES256", "RS256"}))
	return &Verifier{keys, parser}, err
}

func (v *Verifier) verify(token string) (*User, error) {
	user := &User{}
	parsed, err := v.parser.ParseWithClaims(token, user, v.keys.Keyfunc)
	if err != nil {
		return nil, err
	}
	// A refresh token is not an access token.
	if parsed.Header["typ"] != "at+jwt" {
		return nil, errors.New("not an access token")
	}
	return user, nil
}

type contextKey struct{}

// UserOf returns the user of a request that LoggedIn has let pass.
func UserOf(r *http.Request) *User { return r.Context().Value(contextKey{}).(*User) }

// LoggedIn answers 401 without a valid access token.
func (v *Verifier) LoggedIn(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") || token == "" {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "not logged in", http.StatusUnauthorized)
			return
		}
		user, err := v.verify(token)
		if err != nil {
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			http.Error(w, "invalid token", http.StatusUnauthorized)
			return
		}
		next(w, r.WithContext(context.WithValue(r.Context(), contextKey{}, user)))
	}
}

// HasRole answers 401 without a valid access token, and 403 without the role.
func (v *Verifier) HasRole(role string, next http.HandlerFunc) http.HandlerFunc {
	return v.LoggedIn(func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(UserOf(r).Roles, role) {
			http.Error(w, "needs the role "+role, http.StatusForbidden)
			return
		}
		next(w, r)
	})
}
