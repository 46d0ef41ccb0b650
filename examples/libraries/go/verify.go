// Verifies access tokens with each library of the table in docs/clients.md. Prints a line for each: accepted or refused.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"
	"github.com/golang-jwt/jwt/v5"
)

var (
	keys, issuer, audience = os.Getenv("KEYS"), os.Getenv("ISSUER"), os.Getenv("AUDIENCE")
	errType                = errors.New("not an access token")
)

func golangJWT(ctx context.Context, token string) error {
	set, err := keyfunc.NewDefaultCtx(ctx, []string{keys})
	if err != nil {
		return err
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithIssuer(issuer), jwt.WithAudience(audience), jwt.WithExpirationRequired())
	parsed, err := parser.Parse(token, set.Keyfunc)
	if err == nil && parsed.Header["typ"] != "at+jwt" {
		return errType
	}
	return err
}

func goOIDC(ctx context.Context, token string) error {
	config := &oidc.Config{ClientID: audience, SupportedSigningAlgs: []string{oidc.ES256}}
	if _, err := oidc.NewVerifier(issuer, oidc.NewRemoteKeySet(ctx, keys), config).Verify(ctx, token); err != nil {
		return err
	}
	parsed, err := jose.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err == nil && parsed.Signatures[0].Header.ExtraHeaders[jose.HeaderType] != "at+jwt" {
		return errType
	}
	return err
}

func goJose(_ context.Context, token string) error {
	response, err := http.Get(keys)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var set jose.JSONWebKeySet
	if err := json.NewDecoder(response.Body).Decode(&set); err != nil {
		return err
	}
	parsed, err := josejwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return err
	}
	var claims josejwt.Claims
	if err := parsed.Claims(&set, &claims); err != nil {
		return err
	}
	if parsed.Headers[0].ExtraHeaders[jose.HeaderType] != "at+jwt" || claims.Expiry == nil {
		return errType
	}
	return claims.Validate(josejwt.Expected{Issuer: issuer, AnyAudience: josejwt.Audience{audience}})
}

func main() {
	libraries := []struct {
		name   string
		verify func(context.Context, string) error
	}{{"golang-jwt", golangJWT}, {"go-oidc", goOIDC}, {"go-jose", goJose}}
	for _, library := range libraries {
		outcomes := []string{library.name}
		for _, token := range os.Args[1:] {
			outcome := "accepted"
			if err := library.verify(context.Background(), token); err != nil {
				fmt.Fprintf(os.Stderr, "%s: %v\n", library.name, err)
				outcome = "refused"
			}
			outcomes = append(outcomes, outcome)
		}
		fmt.Println(strings.Join(outcomes, " "))
	}
}
