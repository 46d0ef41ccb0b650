// Verifies access tokens with each library of the table in docs/clients.md. Prints a line for each: accepted or refused.
import { createVerifier } from 'fast-jwt'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import jsonwebtoken from 'jsonwebtoken'
import jwkToPem from 'jwk-to-pem'
import jwksClient from 'jwks-rsa'

const { KEYS, ISSUER, AUDIENCE } = process.env
const { keys } = await (await fetch(KEYS)).json()
const client = jwksClient({ jwksUri: KEYS })
const remote = createRemoteJWKSet(new URL(KEYS))

/** The header of a token is read before the signature is verified: it only selects the key. */
const headerOf = token => JSON.parse(Buffer.from(token.split('.')[0], 'base64url'))
const pem = kid => jwkToPem(keys.find(key => key.kid === kid))
const needs = condition => {
  if (!condition) throw new Error('not an access token')
}

const libraries = {
  jose: token => jwtVerify(token, remote, { algorithms: ['ES256'], typ: 'at+jwt', issuer: ISSUER, audience: AUDIENCE }),
  jsonwebtoken: async token => {
    const key = (await client.getSigningKey(headerOf(token).kid)).getPublicKey()
    const { header } = jsonwebtoken.verify(token, key, { algorithms: ['ES256'], issuer: ISSUER, audience: AUDIENCE, complete: true })
    needs(header.typ === 'at+jwt')
  },
  'jwk-to-pem': async token => {
    const key = pem(headerOf(token).kid)
    const { header } = jsonwebtoken.verify(token, key, { algorithms: ['ES256'], issuer: ISSUER, audience: AUDIENCE, complete: true })
    needs(header.typ === 'at+jwt')
  },
  'fast-jwt': token => createVerifier({
    key: async ({ header }) => pem(header.kid),
    algorithms: ['ES256'], allowedIss: ISSUER, allowedAud: AUDIENCE, checkTyp: 'at+jwt',
  })(token),
}

for (const [name, verify] of Object.entries(libraries)) {
  const outcomes = []
  for (const token of process.argv.slice(2)) {
    try {
      await verify(token)
      outcomes.push('accepted')
    } catch (error) {
      console.error(`${name}: ${error}`)
      outcomes.push('refused')
    }
  }
  console.log(name, ...outcomes)
}
