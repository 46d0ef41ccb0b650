package main

import (
	"crypto/rand"
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
