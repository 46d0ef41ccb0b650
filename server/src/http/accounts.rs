//! A user's own account: `/api/v1/accounts`.

use argon2::password_hash::phc::Salt;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;

use super::App;
use super::bearer::{self, Bearer};
use super::body::{Fields, Rule};
use super::envelope::{Data, Done};
use super::error::ApiError;
use crate::auth::password;
use crate::auth::session::{LoginIds, SessionError, random_uuid};
use crate::auth::token::Kind;
use crate::metrics::Outcome;
use crate::store::{NewUser, Role, User};

/// What registering and an Admin's `POST /api/v1/users` have in common.
pub struct NewAccount {
    username: String,
    name: String,
    email: String,
    password: String,
}

/// How a user name, a name and an address may look: what the columns hold.
const USERNAME: Rule = Rule { min: 3, max: 64, email: false, unique: true };
pub const NAME: Rule = Rule { min: 3, max: 125, email: false, unique: false };
const EMAIL: Rule = Rule { min: 0, max: 120, email: true, unique: true };

/// A new password.
pub const fn new_password(app: &App) -> Rule {
    Rule { min: app.password_min_length, max: password::MAX_LENGTH, email: false, unique: false }
}

impl NewAccount {
    pub fn take_from(body: &mut Fields, app: &App) -> Self {
        Self {
            username: body.required("username", USERNAME),
            name: body.required("name", NAME),
            email: body.required("email", EMAIL),
            password: body.required("password", new_password(app)),
        }
    }

    /// Hashes the password and keeps the user.
    pub async fn create(self, app: &App, role: Role) -> Result<Done, ApiError> {
        let salt = Salt::from_rng(&mut rand::rng());
        let password_hash = app.sessions.hasher.hash(self.password.into(), salt).await?;
        let user = NewUser {
            uuid: random_uuid(&mut rand::rng()).simple().to_string(),
            username: self.username,
            name: self.name,
            email: Some(self.email),
            password_hash,
            role,
        };
        app.sessions.store.create_user(user, (app.clock)()).await?;
        Ok(Done(StatusCode::CREATED))
    }
}

pub async fn register(State(app): State<App>, mut body: Fields) -> Result<Done, ApiError> {
    let account = NewAccount::take_from(&mut body, &app);
    body.finish()?;
    account.create(&app, Role::User).await
}

#[derive(Serialize)]
pub struct Tokens {
    access_token: String,
    refresh_token: String,
}

pub async fn login(State(app): State<App>, mut body: Fields) -> Result<Data<Tokens>, ApiError> {
    // A bound on what is hashed; no other rule, since accounts may be older than the rules.
    const ANY: Rule = Rule { min: 0, max: password::MAX_LENGTH, email: false, unique: false };
    let (username, password) = (body.required("username", ANY), body.required("password", ANY));
    body.finish()?;
    let ids = LoginIds::random(&mut rand::rng());
    let result = app.sessions.login(&username, password.into(), ids, (app.clock)().unix_timestamp()).await;
    app.metrics.count_login(match &result {
        Ok(_) => Outcome::Accepted,
        Err(SessionError::BadCredentials) => Outcome::Refused,
        Err(_) => Outcome::Failed,
    });
    let pair = result.map_err(|error| ApiError::for_session(error, Kind::Access))?;
    Ok(Data(Tokens { access_token: pair.access_token, refresh_token: pair.refresh_token }))
}

pub async fn me(Bearer(bearer): Bearer) -> Data<User> {
    Data(bearer.user)
}

#[derive(Serialize)]
pub struct Refreshed {
    access_token: String,
}

pub async fn refresh(State(app): State<App>, headers: HeaderMap) -> Result<Data<Refreshed>, ApiError> {
    let token = bearer::token(&headers)?;
    let jti = random_uuid(&mut rand::rng()).to_string();
    let access_token = app
        .sessions
        .refresh(token, &jti, (app.clock)().unix_timestamp())
        .await
        .map_err(|error| ApiError::for_session(error, Kind::Refresh))?;
    Ok(Data(Refreshed { access_token }))
}

pub async fn logout(State(app): State<App>, Bearer(bearer): Bearer) -> Result<Data<&'static str>, ApiError> {
    app.sessions.logout(&bearer.sid).await.map_err(|error| ApiError::for_session(error, Kind::Access))?;
    Ok(Data("The token has been revoked"))
}
