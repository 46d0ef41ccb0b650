// Verifies an access token by the published keys, without asking the server about it: API=… TOKEN=… go run .
// A logout is noticed only when the token expires. Where that is too late, ask GET /api/v1/verify instead.
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

// verify returns what an access token says, or why it says nothing.
func verify(keys keyfunc.Keyfunc, token, issuer, audience string) (*claims, error) {
	said := &claims{}
	parsed, err := jwt.ParseWithClaims(token, said, keys.Keyfunc, jwt.WithIssuer(issuer), jwt.WithAudience(audience),
		jwt.WithExpirationRequired(), jwt.WithValidMethods([]string{"EdDSA", "ES256", "RS256"}))
	if err != nil {
		return nil, err
	}
	// A refresh token is no access token.
	if parsed.Header["typ"] != "at+jwt" {
		return nil, errors.New("not an access token")
	}
	return said, nil
}

func main() {
	api := os.Getenv("API")
	issuer := cmp.Or(os.Getenv("ISSUER"), api)
	// Keeps the keys, and reads them again when a token names one that it does not know.
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
