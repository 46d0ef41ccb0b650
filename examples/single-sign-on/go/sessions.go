package main

import (
	"crypto/rand"
	"maps"
	"net/http"
	"sync"
)

// A user is what the ID token says, and the token itself.
type user struct {
	Subject string `json:"sub"`
	Session string `json:"sid"`
	Name    string `json:"preferred_username"`
	IDToken string `json:"-"`
}

// The sessions of the app, by the random value of their cookies.
type sessions struct {
	lock  sync.Mutex
	users map[string]user
}

func (s *sessions) add(of user) string {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.users == nil {
		s.users = map[string]user{}
	}
	id := rand.Text()
	s.users[id] = of
	return id
}

// remove ends the session of a browser.
func (s *sessions) remove(r *http.Request) (user, bool) {
	of, found := s.user(r)
	if cookie, err := r.Cookie("session"); err == nil {
		s.lock.Lock()
		defer s.lock.Unlock()
		delete(s.users, cookie.Value)
	}
	return of, found
}

// end ends one session of a user at sc-auth, or all of them if the logout token names none.
func (s *sessions) end(subject, session string) {
	s.lock.Lock()
	defer s.lock.Unlock()
	maps.DeleteFunc(s.users, func(_ string, of user) bool {
		return of.Subject == subject && (session == "" || of.Session == session)
	})
}

func (s *sessions) user(r *http.Request) (user, bool) {
	cookie, err := r.Cookie("session")
	if err != nil {
		return user{}, false
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	of, found := s.users[cookie.Value]
	return of, found
}
