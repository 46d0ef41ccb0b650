// Verifies an access token with the published keys, without a call to the server: API=… TOKEN=… node verify.mjs
// It notices a logout only when the token expires. If that is too late, call GET /api/v1/verify instead.
import { createRemoteJWKSet, jwtVerify } from 'jose'

const { API, TOKEN, ISSUER = API, AUDIENCE = ISSUER } = process.env
// Caches the keys, and fetches them again when a token names an unknown key.
const keys = createRemoteJWKSet(new URL('/.well-known/jwks.json', API))

try {
  const { payload } = await jwtVerify(TOKEN, keys, {
    issuer: ISSUER,
    audience: AUDIENCE,
    // A refresh token is not an access token.
    typ: 'at+jwt',
    algorithms: ['EdDSA', 'ES256', 'RS256'],
  })
  console.log(`${payload.sub} ${payload.roles.join(',')}`)
} catch (error) {
  console.error(`refused: ${error.message}`)
  process.exitCode = 1
}
