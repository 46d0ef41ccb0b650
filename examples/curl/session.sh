#!/usr/bin/env bash
# A session from login to logout: API=http://auth.example.com USERNAME=alice PASSWORD=… session.sh
set -euo pipefail

call() { curl -sS --fail-with-body -H 'Content-Type: application/json' "$@"; }
token() { sed -E "s/.*\"$1\":\"([^\"]*)\".*/\1/"; }

answer=$(call "$API/api/v1/accounts/login" -d "{\"username\": \"$USERNAME\", \"password\": \"$PASSWORD\"}")
access=$(token access_token <<<"$answer")
refresh=$(token refresh_token <<<"$answer")
call "$API/api/v1/accounts/me" -H "Authorization: Bearer $access"
echo

# Before the access token expires after an hour: a new access token, and the next refresh token.
answer=$(call -X POST "$API/api/v1/accounts/refresh" -H "Authorization: Bearer $refresh")
access=$(token access_token <<<"$answer")

# Ends the session and revokes both of its tokens, on every replica.
call -X DELETE "$API/api/v1/accounts/logout" -H "Authorization: Bearer $access"
echo
