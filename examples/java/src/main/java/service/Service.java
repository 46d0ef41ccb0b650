package service;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.security.config.Customizer;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.config.http.SessionCreationPolicy;
import org.springframework.security.core.annotation.AuthenticationPrincipal;
import org.springframework.security.oauth2.jwt.Jwt;
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
                .sessionManagement(session -> session.sessionCreationPolicy(SessionCreationPolicy.STATELESS))
                .build();
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
