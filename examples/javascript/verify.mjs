// Verifies an access token by the published keys, without asking the server about it: API=… TOKEN=… node verify.mjs
// A logout is noticed only when the token expires. Where that is too late, ask GET /api/v1/verify instead.
import { createRemoteJWKSet, jwtVerify } from 'jose'

const { API, TOKEN, ISSUER = API, AUDIENCE = ISSUER } = process.env
// Keeps the keys, and reads them again when a token names one that it does not know.
const keys = createRemoteJWKSet(new URL('/.well-known/jwks.json', API))

try {
  const { payload } = await jwtVerify(TOKEN, keys, {
    issuer: ISSUER,
    audience: AUDIENCE,
    // A refresh token is no access token.
    typ: 'at+jwt',
    algorithms: ['EdDSA', 'ES256', 'RS256'],
  })
  console.log(`${payload.sub} ${payload.roles.join(',')}`)
} catch (error) {
  console.error(`refused: ${error.message}`)
  process.exitCode = 1
}
