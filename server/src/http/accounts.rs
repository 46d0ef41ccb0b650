//! A user's own account: `/api/v1/accounts`.

pub mod changes;

use argon2::password_hash::phc::Salt;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::app::App;
use super::bearer::{self, Bearer};
use super::bodies::{AccountView, LoginBody, RegisterBody};
use super::body::{Fields, Problems};
use super::envelope::{Data, Done, Envelope};
use super::error::ApiError;
use super::openapi::answers::{BodyRefusals, Empty, Failure, LimitedRefusals, NewUserRefusals, Refusals, TokenFailure};
use super::openapi::examples::failure;
use super::rate_limits::Limited;
use crate::account::{CREDENTIAL, EMAIL, Problem, USERNAME};
use crate::auth::audit::{AuditOutcome, Entry, Event};
use crate::auth::claims::Kind;
use crate::auth::client::Client;
use crate::auth::hasher::Standing;
use crate::auth::session::{Authenticated, LoginIds, SessionError, random_uuid};
use crate::metrics::Outcome;
use crate::store::{NewUser, Role};

/// The fields that registration and an Admin's `POST /api/v1/users` share.
pub struct NewAccount {
    pub username: String,
    pub name: String,
    pub email: String,
    pub password: String,
}

impl From<RegisterBody> for NewAccount {
    fn from(RegisterBody { username, name, email, password }: RegisterBody) -> Self {
        Self { username, name, email, password }
    }
}

impl NewAccount {
    /// Adds the fields' problems.
    pub fn check(&self, problems: &mut Problems, app: &App) {
        let Self { username, name, email, password } = self;
        problems.check("username", username, USERNAME);
        problems.check("name", name, app.settings.name);
        problems.check("email", email, EMAIL);
        check_password(problems, app, "password", password, &[username, name, email]);
    }

    /// Hashes the password and creates the user. Without an Admin, it is a registration.
    pub async fn create(
        self,
        app: &App,
        role: Role,
        admin: Option<&Authenticated>,
        client: &Client,
    ) -> Result<(), ApiError> {
        let standing = admin.map_or(Standing::Stranger, |_| Standing::Known);
        let Self { username, name, email, password } = self;
        let password_hash = hash(app, password, standing).await?;
        let uuid = random_uuid(&mut rand::rng()).simple().to_string();
        let user = NewUser {
            uuid: uuid.clone(),
            username: username.clone(),
            name: Some(name),
            email: Some(email),
            password_hash,
            role,
            ..NewUser::default()
        };
        let entry = match admin {
            Some(admin) => Entry::new(Event::UserCreated, AuditOutcome::Success)
                .by(&admin.user)
                .to(&uuid, Some(&username))
                .detail(role.name()),
            None => Entry::new(Event::Registered, AuditOutcome::Success).by_named(&uuid, Some(&username)),
        };
        let event = app.sessions.event(client, entry, app.now());
        let actor = admin.map(|admin| admin.admin(app.now()));
        app.sessions.store.create_user(user, actor.as_ref(), &event, app.now()).await?;
        if let Some(limit) = &app.settings.user_limit {
            limit.add();
        }
        app.sessions.done(&event);
        Ok(())
    }
}

/// Adds the problems of a new password.
pub fn check_password(problems: &mut Problems, app: &App, field: &str, password: &str, names: &[&str]) {
    if problems.has(field) {
        return;
    }
    for problem in app.settings.policy.problems(&password.into(), names) {
        problems.add(field, problem);
    }
}

pub async fn hash(app: &App, password: String, standing: Standing) -> Result<String, ApiError> {
    let salt = Salt::from_rng(&mut rand::rng());
    Ok(app.sessions.hasher.hash(password.into(), salt, standing).await?)
}

/// If registration is limited to domains, the address must belong to one of them.
fn check_domain(problems: &mut Problems, app: &App, email: &str) {
    if !problems.has("email") && !app.settings.registration.allows(email) {
        problems.add("email", Problem::ForeignDomain);
    }
}

/// Strangers must not fill the database.
async fn check_number_of_users(app: &App) -> Result<(), ApiError> {
    match &app.settings.user_limit {
        Some(limit) if limit.is_reached(&app.sessions.store, app.now()).await? => {
            Err(ApiError::text(StatusCode::FORBIDDEN, "registration is closed: there are too many users"))
        }
        _ => Ok(()),
    }
}

/// Registers a user with the role User.
#[utoipa::path(
    post,
    path = "/accounts/register",
    tag = "accounts",
    request_body = RegisterBody,
    responses(
        (status = 201, description = "The user was created", body = Empty),
        (
            status = 403,
            description = "Registration is closed.",
            body = Failure,
            example = json!(failure(403, "registration is closed"))
        ),
        NewUserRefusals,
        BodyRefusals,
        LimitedRefusals,
        (
            status = 422,
            description = "A field is invalid.",
            body = Failure,
            example = json!({
                "status": "fail", "code": 422, "data": {"error": {"username": ["Shorter than minimum length 3."]}}
            })
        ),
    ),
)]
pub async fn register(State(app): State<App>, client: Client, fields: Fields) -> Result<Done, ApiError> {
    if app.settings.registration.is_closed() {
        return Err(ApiError::text(StatusCode::FORBIDDEN, "registration is closed"));
    }
    app.settings.check_rate(Limited::Register, &client)?;
    let (body, mut problems) = fields.read::<RegisterBody>()?;
    let account = NewAccount::from(body);
    account.check(&mut problems, &app);
    check_domain(&mut problems, &app, &account.email);
    problems.refuse()?;
    check_number_of_users(&app).await?;
    account.create(&app, Role::User, None, &client).await?;
    Ok(Done(StatusCode::CREATED))
}

#[derive(Serialize, ToSchema)]
pub struct Tokens {
    #[schema(example = "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFUzI1NiJ9.e30.c2ln")]
    access_token: String,
    #[schema(example = "eyJ0eXAiOiJydCtqd3QiLCJhbGciOiJIUzI1NiJ9.e30.c2ln")]
    refresh_token: String,
}

/// Logs in: begins a session.
///
/// A client can send its last refresh token as the bearer token, even an expired one: then it does not have to wait
/// because others guess the user's password.
#[utoipa::path(
    post,
    path = "/accounts/login",
    tag = "accounts",
    request_body = LoginBody,
    responses(
        (status = 200, description = "Tokens of a new session", body = Envelope<Tokens>),
        (
            status = 403,
            description = "The account is disabled.",
            body = Failure,
            example = json!(failure(403, "the account is disabled"))
        ),
        BodyRefusals,
        LimitedRefusals,
        (
            status = 422,
            description = "A field is invalid, or the user name or the password is wrong.",
            body = Failure,
            example = json!(failure(422, "user not found or bad username/password"))
        ),
    ),
    security((), ("refresh" = []))
)]
pub async fn login(
    State(app): State<App>,
    client: Client,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Data<Tokens>, ApiError> {
    let (LoginBody { username, password }, mut problems) = fields.read()?;
    problems.check("username", &username, CREDENTIAL);
    problems.check("password", &password, CREDENTIAL);
    problems.refuse()?;
    let recognised = bearer::token(&headers).ok().and_then(|token| app.sessions.recognise(token));
    let limited = if recognised.is_some() { Limited::Recognised } else { Limited::Login };
    app.settings.check_rate(limited, &client)?;
    let ids = LoginIds::random(&mut rand::rng());
    let result = app.sessions.login(&username, password.into(), recognised, &ids, &client, app.now()).await;
    count_login(&app, &result);
    let pair = result?;
    Ok(Data(Tokens { access_token: pair.access_token, refresh_token: pair.refresh_token }))
}

/// Counts a login by its result.
pub fn count_login<T>(app: &App, result: &Result<T, SessionError>) {
    app.metrics.count_login(match result {
        Ok(_) => Outcome::Accepted,
        Err(SessionError::BadCredentials) => Outcome::Refused,
        Err(SessionError::Disabled) => Outcome::Disabled,
        Err(SessionError::TooMany(_) | SessionError::TooManySessions { .. }) => Outcome::Delayed,
        Err(_) => Outcome::Failed,
    });
}

/// Returns the user of the token.
#[utoipa::path(
    get,
    path = "/accounts/me",
    tag = "accounts",
    responses((status = 200, description = "The user", body = Envelope<AccountView>), Refusals),
    security(("bearer" = []))
)]
pub async fn me(Bearer(bearer): Bearer) -> Data<AccountView> {
    Data(bearer.user.into())
}

#[derive(Serialize, ToSchema)]
pub struct RefreshedTokens {
    #[schema(example = "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFUzI1NiJ9.e30.c2ln")]
    access_token: String,
    /// Only with rotating refresh tokens.
    #[schema(example = "eyJ0eXAiOiJydCtqd3QiLCJhbGciOiJIUzI1NiJ9.e30.c2ln")]
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
}

/// Exchanges a refresh token, sent as the bearer token, for an access token. With rotating refresh tokens, the answer
/// also has the next refresh token.
#[utoipa::path(
    post,
    path = "/accounts/refresh",
    tag = "accounts",
    responses(
        (status = 200, description = "The new tokens", body = Envelope<RefreshedTokens>),
        Refusals,
        LimitedRefusals,
        (
            status = 422,
            description = "The token is malformed, or not a refresh token of this service.",
            body = TokenFailure,
            example = json!({"msg": "Only refresh tokens are allowed"})
        ),
    ),
    security(("refresh" = []))
)]
pub async fn refresh(
    State(app): State<App>,
    client: Client,
    headers: HeaderMap,
) -> Result<Data<RefreshedTokens>, ApiError> {
    let token = bearer::token(&headers)?;
    app.settings.check_rate(Limited::Refresh, &client)?;
    let [access_jti, refresh_jti] = [(); 2].map(|()| random_uuid(&mut rand::rng()).to_string());
    let refreshed = app
        .sessions
        .refresh(token, &access_jti, &refresh_jti, &client, app.now())
        .await
        .map_err(|error| ApiError::for_session(error, Kind::Refresh))?;
    Ok(Data(RefreshedTokens { access_token: refreshed.access_token, refresh_token: refreshed.refresh_token }))
}

/// Logs out: ends the session and all of its tokens.
#[utoipa::path(
    delete,
    path = "/accounts/logout",
    tag = "accounts",
    responses((status = 200, description = "The session has ended", body = Envelope<String>, example = json!({
        "status": "ok", "code": 200, "data": "The token has been revoked"
    })), Refusals),
    security(("bearer" = []))
)]
pub async fn logout(
    State(app): State<App>,
    Bearer(bearer): Bearer,
    client: Client,
) -> Result<Data<&'static str>, ApiError> {
    app.sessions.logout(&bearer, &client, app.now()).await?;
    Ok(Data("The token has been revoked"))
}
