package service;

import java.io.IOException;
import java.time.Instant;
import java.util.Map;

import org.jose4j.http.Get;
import org.jose4j.http.Response;
import org.jose4j.http.SimpleGet;
import org.jose4j.http.SimpleResponse;
import org.jose4j.jwa.AlgorithmConstraints.ConstraintType;
import org.jose4j.jwk.HttpsJwks;
import org.jose4j.jwk.JsonWebKeySet;
import org.jose4j.jwt.JwtClaims;
import org.jose4j.jwt.MalformedClaimException;
import org.jose4j.jwt.consumer.InvalidJwtException;
import org.jose4j.jwt.consumer.JwtConsumer;
import org.jose4j.jwt.consumer.JwtConsumerBuilder;
import org.jose4j.keys.resolvers.HttpsJwksVerificationKeyResolver;
import org.jose4j.lang.JoseException;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.security.oauth2.jwt.BadJwtException;
import org.springframework.security.oauth2.jwt.Jwt;
import org.springframework.security.oauth2.jwt.JwtDecoder;
import org.springframework.security.oauth2.jwt.JwtException;
import org.springframework.stereotype.Component;

/**
 * Verifies access tokens with the published keys, without a call to sc-auth for each token. A logout takes effect when the token
 * expires. If that is too late, call GET /api/v1/verify instead. Spring Security's own decoder cannot verify Ed25519 signatures, which
 * installations of sc-auth up to release 0.2 use.
 */
@Component
class Verifier implements JwtDecoder {
    /** In seconds. */
    private static final long MAX_AGE = 300;
    /** In milliseconds. */
    private static final long PAUSE = 10_000;
    private final Fetch fetch = new Fetch();
    private final JwtConsumer consumer;

    /** Fetches the keys. A failed fetch is not repeated at once either. */
    private static class Fetch implements SimpleGet {
        private final Get http = new Get();
        private volatile long succeeded;
        private volatile long failed = System.nanoTime() - PAUSE * 1_000_000;

        Fetch() {
            http.setConnectTimeout(2_000);
            http.setReadTimeout(3_000);
            http.setRetries(0);
        }

        @Override
        public SimpleResponse get(String address) throws IOException {
            if (System.nanoTime() - failed < PAUSE * 1_000_000) {
                throw new IOException("the last fetch of the keys failed");
            }
            try {
                var response = http.get(address);
                new JsonWebKeySet(response.getBody());
                succeeded = System.nanoTime();
                // Without Cache-Control, which a proxy may have changed.
                return new Response(response.getStatusCode(), response.getStatusMessage(), Map.of(), response.getBody());
            } catch (IOException | JoseException error) {
                failed = System.nanoTime();
                throw new IOException("the keys cannot be fetched", error);
            }
        }
    }

    Verifier(@Value("${API}") String api, @Value("${ISSUER:${API}}") String issuer,
            @Value("${AUDIENCE:${ISSUER:${API}}}") String audience) {
        var keys = new HttpsJwks(api + "/.well-known/jwks.json");
        // A key may have been revoked.
        keys.setDefaultCacheDuration(MAX_AGE);
        // A token with an unknown key triggers a fetch, at most one in 10 seconds: anybody can make up tokens.
        keys.setRefreshReprieveThreshold(PAUSE);
        keys.setSimpleHttpGet(fetch);
        consumer = new JwtConsumerBuilder()
                .setVerificationKeyResolver(new HttpsJwksVerificationKeyResolver(keys))
                .setJwsAlgorithmConstraints(ConstraintType.PERMIT, "EdDSA", "ES256", "RS256")
                // A refresh token is not an access token.
                .setExpectedType(true, "at+jwt")
                .setExpectedIssuer(issuer)
                .setExpectedAudience(audience)
                .setRequireExpirationTime()
                .setRequireIssuedAt()
                .setRequireSubject()
                .setAllowedClockSkewInSeconds(5)
                .build();
    }

    @Override
    public Jwt decode(String token) {
        try {
            JwtClaims claims = consumer.processToClaims(token);
            if (!claims.isClaimValueStringList("roles")) {
                throw new BadJwtException("The access token has no roles");
            }
            // HttpsJwks returns its old keys while another request fetches them.
            if (System.nanoTime() - fetch.succeeded > (MAX_AGE + 1) * 1_000_000_000) {
                throw new JwtException("The keys are too old");
            }
            var issued = Instant.ofEpochSecond(claims.getIssuedAt().getValue());
            var expires = Instant.ofEpochSecond(claims.getExpirationTime().getValue());
            return new Jwt(token, issued, expires, Map.of("typ", "at+jwt"), claims.getClaimsMap());
        } catch (InvalidJwtException error) {
            for (Throwable cause = error; cause != null; cause = cause.getCause()) {
                if (cause instanceof IOException) {
                    // Nobody knows whether the token is valid: an error of the service, see Service.
                    throw new JwtException("The keys cannot be fetched", error);
                }
            }
            throw new BadJwtException("The access token is not valid", error);
        } catch (MalformedClaimException error) {
            throw new BadJwtException("The access token is not valid", error);
        }
    }
}
