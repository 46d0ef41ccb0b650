package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"
)

// The age from which the keys are not used any more, if fetching fails: one of them may have been revoked.
const maxAge = 5 * time.Minute

// The keys cannot be fetched, so nobody knows whether the token is valid.
var errNoKeys = errors.New("the keys cannot be fetched")

// User is the user of an access token.
type User struct {
	jwt.RegisteredClaims
	Roles []string `json:"roles"`
}

// keyStore has the keys of the last successful fetch, until they are too old.
type keyStore struct {
	jwkset.Storage
	fetched atomic.Pointer[time.Time]
	failed  atomic.Bool
}

func (s *keyStore) tooOld() bool {
	fetched := s.fetched.Load()
	return fetched == nil || time.Since(*fetched) >= maxAge
}

// KeyReplaceAll is called after each successful fetch.
func (s *keyStore) KeyReplaceAll(ctx context.Context, keys []jwkset.JWK) error {
	if len(keys) == 0 {
		return errors.New("the answer has no keys")
	}
	now := time.Now()
	s.fetched.Store(&now)
	s.failed.Store(false)
	return s.Storage.KeyReplaceAll(ctx, keys)
}

func (s *keyStore) KeyRead(ctx context.Context, id string) (jwkset.JWK, error) {
	if s.tooOld() {
		return jwkset.JWK{}, jwkset.ErrKeyNotFound
	}
	return s.Storage.KeyRead(ctx, id)
}

func (s *keyStore) logFailure(_ context.Context, err error) {
	s.failed.Store(true)
	slog.Warn("the keys cannot be fetched", "error", err)
}

// Verifier verifies access tokens with the published keys, without a call to sc-auth for each token. A logout takes effect
// when the token expires. If that is too late, call GET /api/v1/verify instead.
type Verifier struct {
	store  *keyStore
	keys   keyfunc.Keyfunc
	parser *jwt.Parser
}

// NewVerifier fetches the keys of the API every minute, since one of them may have been revoked. A token with an unknown key
// also triggers a fetch, at most one in 10 seconds: anybody can make up tokens.
func NewVerifier(ctx context.Context, api, issuer, audience string) (*Verifier, error) {
	address := api + "/.well-known/jwks.json"
	store := &keyStore{Storage: jwkset.NewMemoryStorage()}
	fetched, err := jwkset.NewStorageFromHTTP(address, jwkset.HTTPClientStorageOptions{
		Ctx:                       ctx,
		HTTPTimeout:               5 * time.Second,
		NoErrorReturnFirstHTTPReq: true,
		RefreshErrorHandler:       store.logFailure,
		RefreshInterval:           time.Minute,
		Storage:                   store,
	})
	if err != nil {
		return nil, err
	}
	client, err := jwkset.NewHTTPClient(jwkset.HTTPClientOptions{
		HTTPURLs:          map[string]jwkset.Storage{address: fetched},
		RateLimitWaitMax:  2 * time.Second,
		RefreshUnknownKID: rate.NewLimiter(rate.Every(10*time.Second), 1),
	})
	if err != nil {
		return nil, err
	}
	keys, err := keyfunc.New(keyfunc.Options{Ctx: ctx, Storage: client})
	parser := jwt.NewParser(jwt.WithIssuer(issuer), jwt.WithAudience(audience), jwt.WithExpirationRequired(),
		jwt.WithLeeway(5*time.Second), jwt.WithValidMethods([]string{"EdDSA", "ES256", "RS256"}))
	return &Verifier{store, keys, parser}, err
}

func (v *Verifier) key(token *jwt.Token) (any, error) {
	if token.Header["kid"] == nil {
		return nil, errors.New("no key named")
	}
	key, err := v.keys.Keyfunc(token)
	if err != nil && (v.store.tooOld() || v.store.failed.Load()) {
		return nil, errNoKeys
	}
	return key, err
}

func (v *Verifier) verify(token string) (*User, error) {
	user := &User{}
	parsed, err := v.parser.ParseWithClaims(token, user, v.key)
	if err != nil {
		return nil, err
	}
	// A refresh token is not an access token.
	if parsed.Header["typ"] != "at+jwt" {
		return nil, errors.New("not an access token")
	}
	if user.Subject == "" || user.Roles == nil {
		return nil, errors.New("sub or roles is missing")
	}
	return user, nil
}

type contextKey struct{}

// UserOf returns the user of a request that LoggedIn has let pass.
func UserOf(r *http.Request) *User { return r.Context().Value(contextKey{}).(*User) }

// LoggedIn answers 401 without a valid access token, and 503 if the keys cannot be fetched.
func (v *Verifier) LoggedIn(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") || token == "" {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "not logged in", http.StatusUnauthorized)
			return
		}
		user, err := v.verify(token)
		if errors.Is(err, errNoKeys) {
			w.Header().Set("Retry-After", "10")
			http.Error(w, errNoKeys.Error(), http.StatusServiceUnavailable)
			return
		}
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
