package service;

import java.io.IOException;

import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.ServletRequest;
import jakarta.servlet.ServletResponse;
import jakarta.servlet.http.HttpServletResponse;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.security.authentication.AuthenticationServiceException;
import org.springframework.security.config.Customizer;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.config.http.SessionCreationPolicy;
import org.springframework.security.core.annotation.AuthenticationPrincipal;
import org.springframework.security.oauth2.jwt.Jwt;
import org.springframework.security.oauth2.server.resource.web.authentication.BearerTokenAuthenticationFilter;
import org.springframework.security.web.SecurityFilterChain;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

/** A service for logged-in users: API=http://auth.example.com java -jar target/service.jar */
@SpringBootApplication
@RestController
class Service {
    @Bean
    SecurityFilterChain rules(HttpSecurity http) {
        return http
                .authorizeHttpRequests(rules -> rules
                        .requestMatchers("/admin").hasRole("Admin")
                        .anyRequest().authenticated())
                .oauth2ResourceServer(server -> server.jwt(Customizer.withDefaults()))
                .addFilterBefore(Service::withoutKeys, BearerTokenAuthenticationFilter.class)
                .sessionManagement(session -> session.sessionCreationPolicy(SessionCreationPolicy.STATELESS))
                .build();
    }

    /** Answers 503, and not 500, if the keys cannot be fetched. */
    private static void withoutKeys(ServletRequest request, ServletResponse response, FilterChain next)
            throws IOException, ServletException {
        try {
            next.doFilter(request, response);
        } catch (AuthenticationServiceException error) {
            ((HttpServletResponse) response).setHeader("Retry-After", "10");
            ((HttpServletResponse) response).setStatus(503);
        }
    }

    @GetMapping(path = "/", produces = "text/plain")
    String greet(@AuthenticationPrincipal Jwt user) {
        return user.getSubject() + " " + String.join(",", user.getClaimAsStringList("roles")) + "\n";
    }

    @GetMapping(path = "/admin", produces = "text/plain")
    String admin(@AuthenticationPrincipal Jwt user) {
        return user.getSubject() + " is an Admin\n";
    }

    public static void main(String[] arguments) {
        SpringApplication.run(Service.class, arguments);
    }
}
