// Verifies access tokens with the published keys, without a call to sc-auth for each token: middleware for Express.
// A logout takes effect when the token expires. If that is too late, call GET /api/v1/verify instead.
import { createRemoteJWKSet, errors, jwtVerify } from 'jose'

const { API, ISSUER = API, AUDIENCE = ISSUER } = process.env

const keys = createRemoteJWKSet(new URL(`${API}/.well-known/jwks.json`), {
  // A key may have been revoked.
  cacheMaxAge: 5 * 60_000,
  // A token with an unknown key triggers a fetch, at most one in 10 seconds: anybody can make up tokens.
  cooldownDuration: 10_000,
})

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

/** Sets `request.user`. Without a valid access token the answer is 401. */
export async function loggedIn(request, response, next) {
  const [, token] = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '') ?? []
  if (!token) return response.status(401).set('WWW-Authenticate', 'Bearer').end()
  try {
    request.user = await verify(token)
  } catch (error) {
    // Any other error is ours, for example that the keys cannot be fetched.
    if (!(error instanceof errors.JOSEError)) throw error
    return response.status(401).set('WWW-Authenticate', 'Bearer error="invalid_token"').end()
  }
  next()
}

/** After `loggedIn`. Without the role the answer is 403. */
export const hasRole = role => (request, response, next) =>
  request.user.roles.includes(role) ? next() : response.status(403).send(`needs the role ${role}\n`)
