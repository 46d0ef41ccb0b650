// Verifies an access token with the published keys, without a call to the server: API=… TOKEN=… go run .
// It notices a logout only when the token expires. If that is too late, call GET /api/v1/verify instead.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
)

type claims struct {
	jwt.RegisteredClaims
	Roles []string `json:"roles"`
}

// verify returns the claims of an access token, or the reason for refusing it.
func verify(keys keyfunc.Keyfunc, token, issuer, audience string) (*claims, error) {
	said := &claims{}
	parsed, err := jwt.ParseWithClaims(token, said, keys.Keyfunc, jwt.WithIssuer(issuer), jwt.WithAudience(audience),
		jwt.WithExpirationRequired(), jwt.WithValidMethods([]string{"EdDSA", "ES256", "RS256"}))
	if err != nil {
		return nil, err
	}
	// A refresh token is not an access token.
	if parsed.Header["typ"] != "at+jwt" {
		return nil, errors.New("not an access token")
	}
	return said, nil
}

func main() {
	api := os.Getenv("API")
	issuer := cmp.Or(os.Getenv("ISSUER"), api)
	// Caches the keys, and fetches them again when a token names an unknown key.
	keys, err := keyfunc.NewDefaultCtx(context.Background(), []string{api + "/.well-known/jwks.json"})
	if err != nil {
		fmt.Fprintln(os.Stderr, "reading the keys:", err)
		os.Exit(2)
	}
	said, err := verify(keys, os.Getenv("TOKEN"), issuer, cmp.Or(os.Getenv("AUDIENCE"), issuer))
	if err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
	fmt.Println(said.Subject, strings.Join(said.Roles, ","))
}
