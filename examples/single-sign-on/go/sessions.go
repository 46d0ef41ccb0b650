package main

import (
	"crypto/rand"
	"maps"
	"net/http"
	"sync"
)

// A user is what the ID token says.
type user struct {
	Subject string `json:"sub"`
	Session string `json:"sid"`
	Name    string `json:"preferred_username"`
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
