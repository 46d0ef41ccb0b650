// A web app whose users log in at sc-auth: set ISSUER, CLIENT_ID, CLIENT_SECRET, SESSION_KEY and ORIGIN, and run node app.mjs
// The redirect URI of its declaration is ORIGIN/callback, and postLogoutRedirectUris has ORIGIN/.
import { webcrypto } from 'node:crypto'
import cookies from 'cookie-session'
import express from 'express'
import * as client from 'openid-client'

const { ISSUER, CLIENT_ID, CLIENT_SECRET, SESSION_KEY, ORIGIN, PORT = '3000' } = process.env
// Node.js 18 has no global one.
globalThis.crypto ??= webcrypto
const issuer = new URL(ISSUER)
// Only for an issuer on this machine.
const execute = issuer.protocol === 'http:' ? [client.allowInsecureRequests] : []
const config = await client.discovery(issuer, CLIENT_ID, undefined, client.ClientSecretBasic(CLIENT_SECRET), { execute })

const app = express()
// The cookie is signed; the key is the same in all replicas, and random.
app.use(cookies({ keys: [SESSION_KEY], sameSite: 'lax', secure: ORIGIN.startsWith('https:') }))

app.get('/', async (request, response) => {
  if (request.session.name) return response.type('text').send(`Hello ${request.session.name}`)
  const login = { verifier: client.randomPKCECodeVerifier(), nonce: client.randomNonce() }
  request.session.login = login
  response.redirect(client.buildAuthorizationUrl(config, {
    redirect_uri: `${ORIGIN}/callback`,
    scope: 'openid profile email',
    code_challenge: await client.calculatePKCECodeChallenge(login.verifier),
    code_challenge_method: 'S256',
    nonce: login.nonce,
  }).href)
})

app.get('/callback', async (request, response) => {
  const { verifier, nonce } = request.session.login ?? {}
  const tokens = await client.authorizationCodeGrant(config, new URL(request.url, ORIGIN), {
    pkceCodeVerifier: verifier,
    expectedNonce: nonce,
  })
  const user = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub)
  request.session = { name: user.preferred_username, idToken: tokens.id_token }
  response.redirect(ORIGIN)
})

// For a form of the app: other pages cannot post with the cookie of the session.
app.post('/logout', (request, response) => {
  const { idToken } = request.session
  request.session = null
  if (!idToken) return response.redirect(ORIGIN)
  response.redirect(client.buildEndSessionUrl(config, {
    id_token_hint: idToken,
    post_logout_redirect_uri: `${ORIGIN}/`,
  }).href)
})

app.listen(Number(PORT), '127.0.0.1')
