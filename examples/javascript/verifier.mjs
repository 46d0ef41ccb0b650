// Verifies access tokens with the published keys, without a call to sc-auth for each token: middleware for Express.
// A logout takes effect when the token expires. If that is too late, call GET /api/v1/verify instead.
import { webcrypto } from 'node:crypto'
import { createLocalJWKSet, createRemoteJWKSet, customFetch, errors, jwtVerify } from 'jose'

// jose uses the global, which Node.js 18, of Debian 12, does not have.
globalThis.crypto ??= webcrypto

const { API, ISSUER = API, AUDIENCE = ISSUER } = process.env
const PAUSE = 10_000

/** The keys cannot be fetched, so nobody knows whether the token is valid. */
class NoKeys extends Error {}

let failed = -Infinity

// A failed fetch is not repeated at once either.
async function fetchKeys(...request) {
  if (performance.now() - failed < PAUSE) throw new NoKeys('the last fetch of the keys failed')
  try {
    const response = await fetch(...request)
    if (response.status !== 200) throw new Error(`status ${response.status}`)
    const keys = await response.json()
    createLocalJWKSet(keys) // throws if these are no keys
    return Response.json(keys)
  } catch (cause) {
    failed = performance.now()
    throw new NoKeys('the keys cannot be fetched', { cause })
  }
}

const keys = createRemoteJWKSet(new URL(`${API}/.well-known/jwks.json`), {
  // A key may have been revoked: not used any more after that, even if fetching fails.
  cacheMaxAge: 5 * 60_000,
  // A token with an unknown key triggers a fetch, at most one in 10 seconds: anybody can make up tokens.
  cooldownDuration: PAUSE,
  timeoutDuration: 5000,
  [customFetch]: fetchKeys,
})
// Before they are too old, so that no request waits.
setInterval(() => keys.reload().catch(error => console.warn(error.message)), 60_000).unref()

async function verify(token) {
  const { payload } = await jwtVerify(token, keys, {
    issuer: ISSUER,
    audience: AUDIENCE,
    // A refresh token is not an access token.
    typ: 'at+jwt',
    algorithms: ['EdDSA', 'ES256', 'RS256'],
    requiredClaims: ['exp', 'sub', 'roles'],
    clockTolerance: '5s',
  })
  return { id: payload.sub, roles: payload.roles }
}

/** Sets `request.user`. Without a valid access token the answer is 401, and 503 if the keys cannot be fetched. */
export async function loggedIn(request, response, next) {
  const [, token] = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '') ?? []
  if (!token) return response.status(401).set('WWW-Authenticate', 'Bearer').end()
  try {
    request.user = await verify(token)
  } catch (error) {
    if (error instanceof NoKeys) return response.status(503).set('Retry-After', '10').end()
    // Any other error is ours.
    if (!(error instanceof errors.JOSEError)) throw error
    return response.status(401).set('WWW-Authenticate', 'Bearer error="invalid_token"').end()
  }
  next()
}

/** After `loggedIn`. Without the role the answer is 403. */
export const hasRole = role => (request, response, next) =>
  request.user.roles.includes(role) ? next() : response.status(403).send(`needs the role ${role}\n`)
