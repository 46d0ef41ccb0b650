// A web app whose users log in at sc-auth: set ISSUER, CLIENT_ID, CLIENT_SECRET and ORIGIN, and run go run .
// In its declaration, the redirect URI is ORIGIN/callback, backchannelLogoutUri is ORIGIN/backchannel-logout, and
// postLogoutRedirectUris has ORIGIN/.
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// An app is one replica: it keeps its sessions in memory.
type app struct {
	origin   string
	oauth    oauth2.Config
	verifier *oidc.IDTokenVerifier
	// Where users log out at sc-auth.
	endSession string
	sessions   sessions
}

// A login is under way until the user comes back with a code.
type login struct{ state, nonce, verifier string }

func newApp(ctx context.Context, issuer, origin string) (*app, error) {
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return nil, err
	}
	config := oauth2.Config{
		ClientID: os.Getenv("CLIENT_ID"), ClientSecret: os.Getenv("CLIENT_SECRET"), Endpoint: provider.Endpoint(),
		RedirectURL: origin + "/callback", Scopes: []string{oidc.ScopeOpenID, "profile", "email"},
	}
	var metadata struct {
		EndSession string `json:"end_session_endpoint"`
	}
	if err := provider.Claims(&metadata); err != nil {
		return nil, err
	}
	verifier := provider.Verifier(&oidc.Config{ClientID: config.ClientID})
	return &app{origin: origin, oauth: config, verifier: verifier, endSession: metadata.EndSession}, nil
}

func (a *app) index(w http.ResponseWriter, r *http.Request) {
	if user, found := a.sessions.user(r); found {
		fmt.Fprintln(w, "Hello", user.Name)
		return
	}
	begun := login{rand.Text(), rand.Text(), oauth2.GenerateVerifier()}
	a.setCookie(w, "login", strings.Join([]string{begun.state, begun.nonce, begun.verifier}, "."))
	http.Redirect(w, r, a.oauth.AuthCodeURL(begun.state, oidc.Nonce(begun.nonce), oauth2.S256ChallengeOption(begun.verifier)), http.StatusFound)
}

func (a *app) callback(w http.ResponseWriter, r *http.Request) {
	user, err := a.exchange(r)
	if err != nil {
		log.Print(err)
		http.Error(w, "The login has failed. Try again.", http.StatusUnauthorized)
		return
	}
	a.setCookie(w, "session", a.sessions.add(user))
	http.Redirect(w, r, a.origin, http.StatusFound)
}

// exchange verifies the answer, and exchanges its code for the user's claims.
func (a *app) exchange(r *http.Request) (user, error) {
	begun, err := readLogin(r)
	if err != nil {
		return user{}, err
	}
	if answer := r.FormValue("error"); answer != "" {
		return user{}, errors.New(answer)
	}
	if r.FormValue("state") != begun.state {
		return user{}, errors.New("the answer belongs to another browser")
	}
	token, err := a.oauth.Exchange(r.Context(), r.FormValue("code"), oauth2.VerifierOption(begun.verifier))
	if err != nil {
		return user{}, err
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := a.verifier.Verify(r.Context(), raw)
	if err != nil {
		return user{}, err
	}
	if id.Nonce != begun.nonce {
		return user{}, errors.New("the ID token belongs to another login")
	}
	found := user{IDToken: raw}
	err = id.Claims(&found)
	return found, err
}

// logout is for a form of the app: other pages cannot post with the cookie of the session.
func (a *app) logout(w http.ResponseWriter, r *http.Request) {
	user, found := a.sessions.remove(r)
	if !found {
		http.Redirect(w, r, a.origin, http.StatusSeeOther)
		return
	}
	query := url.Values{
		"id_token_hint": {user.IDToken}, "client_id": {a.oauth.ClientID}, "post_logout_redirect_uri": {a.origin + "/"},
	}
	http.Redirect(w, r, a.endSession+"?"+query.Encode(), http.StatusSeeOther)
}

// backchannelLogout ends the sessions that sc-auth says have ended: users log out there or at another app.
func (a *app) backchannelLogout(w http.ResponseWriter, r *http.Request) {
	token, err := a.verifier.VerifyLogout(r.Context(), r.PostFormValue("logout_token"))
	if err != nil {
		log.Print(err)
		http.Error(w, "The logout token is invalid.", http.StatusBadRequest)
		return
	}
	a.sessions.end(token.Subject, token.SessionID)
}

func readLogin(r *http.Request) (login, error) {
	cookie, err := r.Cookie("login")
	if err != nil {
		return login{}, err
	}
	parts := strings.Split(cookie.Value, ".")
	if len(parts) != 3 {
		return login{}, errors.New("the cookie of the login is broken")
	}
	return login{parts[0], parts[1], parts[2]}, nil
}

func (a *app) setCookie(w http.ResponseWriter, name, value string) {
	secure := strings.HasPrefix(a.origin, "https:")
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode})
}

func main() {
	app, err := newApp(context.Background(), os.Getenv("ISSUER"), os.Getenv("ORIGIN"))
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("GET /{$}", app.index)
	http.HandleFunc("GET /callback", app.callback)
	http.HandleFunc("POST /logout", app.logout)
	http.HandleFunc("POST /backchannel-logout", app.backchannelLogout)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+cmp.Or(os.Getenv("PORT"), "3000"), nil))
}
