// A service for logged-in users: API=http://auth.example.com go run .
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
)

func greet(w http.ResponseWriter, r *http.Request) {
	user := UserOf(r)
	fmt.Fprintln(w, user.Subject, strings.Join(user.Roles, ","))
}

func admin(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintln(w, UserOf(r).Subject, "is an Admin")
}

func main() {
	api := os.Getenv("API")
	if api == "" {
		log.Fatal("API is not set: the address of sc-auth")
	}
	issuer := cmp.Or(os.Getenv("ISSUER"), api)
	verifier, err := NewVerifier(context.Background(), api, issuer, cmp.Or(os.Getenv("AUDIENCE"), issuer))
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("GET /{$}", verifier.LoggedIn(greet))
	http.HandleFunc("GET /admin", verifier.HasRole("Admin", admin))
	log.Fatal(http.ListenAndServe("127.0.0.1:"+cmp.Or(os.Getenv("PORT"), "3000"), nil))
}
