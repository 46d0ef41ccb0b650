#!/usr/bin/env bash
# A session from its beginning to its end: API=http://auth.example.com USERNAME=alice PASSWORD=… session.sh
set -euo pipefail

call() { curl -sS --fail-with-body -H 'Content-Type: application/json' "$@"; }
token() { sed -E "s/.*\"$1\":\"([^\"]*)\".*/\1/"; }

answer=$(call "$API/api/v1/accounts/login" -d "{\"username\": \"$USERNAME\", \"password\": \"$PASSWORD\"}")
access=$(token access_token <<<"$answer")
refresh=$(token refresh_token <<<"$answer")
call "$API/api/v1/accounts/me" -H "Authorization: Bearer $access"
echo

# Before the hour is over: a new access token, and the refresh token to use the next time.
answer=$(call -X POST "$API/api/v1/accounts/refresh" -H "Authorization: Bearer $refresh")
access=$(token access_token <<<"$answer")

# The session ends, with both of its tokens, on every replica.
call -X DELETE "$API/api/v1/accounts/logout" -H "Authorization: Bearer $access"
echo
