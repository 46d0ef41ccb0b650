//! A user's own account: `/api/v1/accounts`.

use argon2::password_hash::phc::Salt;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use secrecy::SecretString;
use serde::Serialize;
use utoipa::ToSchema;

use super::app::App;
use super::bearer::{self, Bearer};
use super::bodies::{AccountView, ChangeMeBody, ChangePasswordBody, LoginBody, RegisterBody};
use super::body::{Fields, Problems};
use super::envelope::{Data, Done, Envelope};
use super::error::ApiError;
use super::openapi::answers::{BodyRefusals, Empty, Failure, LimitedRefusals, NewUserRefusals, Refusals};
use super::openapi::examples::failure;
use super::rate_limits::Limited;
use crate::account::{CREDENTIAL, EMAIL, Problem, USERNAME};
use crate::auth::audit::{AuditOutcome, Entry, Event};
use crate::auth::claims::Kind;
use crate::auth::client::Client;
use crate::auth::hasher::Standing;
use crate::auth::session::{Authenticated, COMPARISONS, LoginIds, SessionError, random_uuid};
use crate::metrics::Outcome;
use crate::store::{Actor, Changes, Guard, NewUser, Role, StoreError};

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

    /// Hashes the password and creates the user. `actor` is the Admin; `None` for a registration. Returns the uuid and
    /// the user name.
    pub async fn create(self, app: &App, role: Role, actor: Option<&Actor>) -> Result<(String, String), ApiError> {
        let standing = actor.map_or(Standing::Stranger, |_| Standing::Known);
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
        app.sessions.store.create_user(user, actor, app.now()).await?;
        Ok((uuid, username))
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
    let (uuid, username) = account.create(&app, Role::User, None).await?;
    let entry = Entry::new(Event::Registered, AuditOutcome::Success).by_named(&uuid, Some(&username));
    app.sessions.note(&client, entry, app.now()).await?;
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
    let result = app.sessions.login(&username, password.into(), recognised, ids, &client, app.now()).await;
    app.metrics.count_login(match &result {
        Ok(_) => Outcome::Accepted,
        Err(SessionError::BadCredentials) => Outcome::Refused,
        Err(SessionError::Disabled) => Outcome::Disabled,
        Err(SessionError::TooMany(_)) => Outcome::Delayed,
        Err(_) => Outcome::Failed,
    });
    let pair = result?;
    Ok(Data(Tokens { access_token: pair.access_token, refresh_token: pair.refresh_token }))
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

/// Changes the user's own name or e-mail address.
#[utoipa::path(
    patch,
    path = "/accounts/me",
    tag = "accounts",
    request_body = ChangeMeBody,
    responses(
        (status = 200, description = "The user was changed", body = Empty),
        (
            status = 409,
            description = "Another user has the e-mail address.",
            body = Failure,
            example = json!(failure(409, "email already exists"))
        ),
        Refusals,
        BodyRefusals,
    ),
    security(("bearer" = []))
)]
pub async fn change_me(
    State(app): State<App>,
    Bearer(bearer): Bearer,
    client: Client,
    fields: Fields,
) -> Result<Done, ApiError> {
    let (body, mut problems) = fields.read::<ChangeMeBody>()?;
    body.fields(app.settings.name).check(&mut problems);
    if let Some(email) = &body.email {
        check_domain(&mut problems, &app, email);
    }
    problems.refuse()?;
    let (given, changes) = (body.fields(app.settings.name).given(), body.changes());
    let guard = Guard { actor: Some(bearer.actor(app.now())), compared_hash: None };
    app.sessions.store.change_user(bearer.user.id, changes, guard, app.now()).await?;
    let entry = Entry::new(Event::AccountChanged, AuditOutcome::Success).by(&bearer.user);
    app.sessions.note(&client, entry.detail(given), app.now()).await?;
    Ok(Done(StatusCode::OK))
}

/// Changes the user's own password. All other sessions end.
#[utoipa::path(
    post,
    path = "/accounts/password",
    tag = "accounts",
    request_body = ChangePasswordBody,
    responses(
        (status = 200, description = "The password was changed", body = Empty),
        (
            status = 409,
            description = "Another request changed the password meanwhile.",
            body = Failure,
            example = json!(failure(409, "the password was changed meanwhile, try again"))
        ),
        Refusals,
        BodyRefusals,
        LimitedRefusals,
    ),
    security(("bearer" = []))
)]
pub async fn change_password(
    State(app): State<App>,
    Bearer(bearer): Bearer,
    client: Client,
    fields: Fields,
) -> Result<Done, ApiError> {
    let (ChangePasswordBody { old_password: old, new_password: new }, mut problems) = fields.read()?;
    problems.check("old_password", &old, CREDENTIAL);
    let user = &bearer.user;
    let names = [user.username(), user.name.as_deref().unwrap_or_default(), user.email.as_deref().unwrap_or_default()];
    check_password(&mut problems, &app, "new_password", &new, &names);
    problems.refuse()?;
    app.settings.check_rate(Limited::Recognised, &client)?;
    replace_password(&app, &bearer, &old.into(), new, &client).await?;
    app.sessions.note(&client, Entry::new(Event::PasswordChanged, AuditOutcome::Success).by(user), app.now()).await?;
    Ok(Done(StatusCode::OK))
}

/// Changes the password. If a login replaces an imported hash between the comparison and the change, it compares again.
async fn replace_password(
    app: &App,
    bearer: &Authenticated,
    old: &SecretString,
    new: String,
    client: &Client,
) -> Result<(), ApiError> {
    let mut compared_hash = confirm(app, bearer, old, client).await?;
    let changes = Changes {
        password_hash: Some(hash(app, new, Standing::Known).await?),
        keep_session: bearer.sid().map(str::to_owned),
        ..Changes::default()
    };
    let mut comparisons = 1;
    loop {
        let guard = Guard { actor: Some(bearer.actor(app.now())), compared_hash: Some(compared_hash) };
        match app.sessions.store.change_user(bearer.user.id, changes.clone(), guard, app.now()).await {
            Err(StoreError::PasswordChanged) if comparisons < COMPARISONS => {
                compared_hash = confirm(app, bearer, old, client).await?;
                comparisons += 1;
            }
            result => return result.map(|_| ()).map_err(ApiError::from),
        }
    }
}

async fn confirm(app: &App, bearer: &Authenticated, old: &SecretString, client: &Client) -> Result<String, ApiError> {
    match app.sessions.confirm_password(bearer, old, client, app.now()).await {
        Err(SessionError::BadCredentials) => Err(ApiError::field("old_password", Problem::WrongPassword)),
        result => Ok(result?),
    }
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
        (
            status = 403,
            description = "The account is disabled.",
            body = Failure,
            example = json!(failure(403, "the account is disabled"))
        ),
        Refusals,
        LimitedRefusals,
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
