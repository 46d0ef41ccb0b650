package verify;

import java.net.URI;
import java.util.Set;

import com.auth0.jwk.JwkProviderBuilder;
import com.auth0.jwt.JWT;
import com.auth0.jwt.algorithms.Algorithm;
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.jwk.source.JWKSourceBuilder;
import com.nimbusds.jose.proc.DefaultJOSEObjectTypeVerifier;
import com.nimbusds.jose.proc.JWSVerificationKeySelector;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.proc.DefaultJWTClaimsVerifier;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import java.security.interfaces.ECPublicKey;
import org.jose4j.jwa.AlgorithmConstraints.ConstraintType;
import org.jose4j.jwk.HttpsJwks;
import org.jose4j.jwt.consumer.JwtConsumerBuilder;
import org.jose4j.keys.resolvers.HttpsJwksVerificationKeyResolver;
import org.springframework.security.oauth2.core.DelegatingOAuth2TokenValidator;
import org.springframework.security.oauth2.jose.jws.SignatureAlgorithm;
import org.springframework.security.oauth2.jwt.JwtClaimValidator;
import org.springframework.security.oauth2.jwt.JwtIssuerValidator;
import org.springframework.security.oauth2.jwt.JwtTimestampValidator;
import org.springframework.security.oauth2.jwt.JwtTypeValidator;
import org.springframework.security.oauth2.jwt.NimbusJwtDecoder;

/** Verifies access tokens with each library of the table in docs/clients.md. Prints a line for each: accepted or refused. */
public class Verify {
    private static final String KEYS = System.getenv("KEYS");
    private static final String ISSUER = System.getenv("ISSUER");
    private static final String AUDIENCE = System.getenv("AUDIENCE");

    private interface Library {
        void verify(String token) throws Exception;
    }

    private static void spring(String token) {
        var decoder = NimbusJwtDecoder.withJwkSetUri(KEYS).jwsAlgorithm(SignatureAlgorithm.ES256).validateType(false).build();
        var audience = new JwtClaimValidator<java.util.List<String>>("aud", names -> names != null && names.contains(AUDIENCE));
        decoder.setJwtValidator(new DelegatingOAuth2TokenValidator<>(
                new JwtTypeValidator("at+jwt"), new JwtTimestampValidator(), new JwtIssuerValidator(ISSUER), audience));
        decoder.decode(token);
    }

    private static void nimbus(String token) throws Exception {
        var keys = JWKSourceBuilder.create(URI.create(KEYS).toURL()).build();
        var processor = new DefaultJWTProcessor<SecurityContext>();
        processor.setJWSKeySelector(new JWSVerificationKeySelector<>(JWSAlgorithm.ES256, keys));
        processor.setJWSTypeVerifier(new DefaultJOSEObjectTypeVerifier<>(new JOSEObjectType("at+jwt")));
        var expected = new JWTClaimsSet.Builder().issuer(ISSUER).build();
        processor.setJWTClaimsSetVerifier(new DefaultJWTClaimsVerifier<>(AUDIENCE, expected, Set.of("exp")));
        processor.process(token, null);
    }

    private static void javaJwt(String token) throws Exception {
        var decoded = JWT.decode(token);
        var key = new JwkProviderBuilder(URI.create(KEYS).toURL()).build().get(decoded.getKeyId()).getPublicKey();
        JWT.require(Algorithm.ECDSA256((ECPublicKey) key)).withIssuer(ISSUER).withAudience(AUDIENCE).withClaimPresence("exp").build().verify(decoded);
        if (!"at+jwt".equals(decoded.getType())) {
            throw new IllegalArgumentException("not an access token");
        }
    }

    private static void jose4j(String token) throws Exception {
        new JwtConsumerBuilder()
                .setVerificationKeyResolver(new HttpsJwksVerificationKeyResolver(new HttpsJwks(KEYS)))
                .setJwsAlgorithmConstraints(ConstraintType.PERMIT, "ES256")
                .setExpectedType(true, "at+jwt")
                .setExpectedIssuer(ISSUER).setExpectedAudience(AUDIENCE).setRequireExpirationTime()
                .build().processToClaims(token);
    }

    private static String outcome(String name, Library library, String token) {
        try {
            library.verify(token);
            return " accepted";
        } catch (Exception error) {
            System.err.println(name + ": " + error);
            return " refused";
        }
    }

    private static void print(String name, Library library, String[] tokens) {
        var line = new StringBuilder(name);
        for (var token : tokens) {
            line.append(outcome(name, library, token));
        }
        System.out.println(line);
    }

    public static void main(String[] tokens) {
        print("Spring Security", Verify::spring, tokens);
        print("Nimbus", Verify::nimbus, tokens);
        print("java-jwt", Verify::javaJwt, tokens);
        print("jose4j", Verify::jose4j, tokens);
    }
}
