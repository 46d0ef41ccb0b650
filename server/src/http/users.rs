//! All users, for Admins: `/api/v1/users`. Every handler asks who is there before it looks at the body.

use argon2::password_hash::phc::Salt;
use axum::extract::State;
use axum::http::StatusCode;

use super::App;
use super::accounts::{NAME, NewAccount, new_password};
use super::bearer::AdminBearer;
use super::body::{Fields, Rule};
use super::envelope::{Data, Done};
use super::error::ApiError;
use crate::store::{Changes, Role, User};

pub async fn list(State(app): State<App>, _: AdminBearer) -> Result<Data<Vec<User>>, ApiError> {
    Ok(Data(app.sessions.store.users().await?))
}

pub async fn create(State(app): State<App>, _: AdminBearer, mut body: Fields) -> Result<Done, ApiError> {
    let account = NewAccount::take_from(&mut body, &app);
    let role_name = body.required("role_name", Rule::default());
    let role = Role::from_name(&role_name);
    if role.is_none() && !role_name.is_empty() {
        body.fail("role_name", "Must be one of: Admin, User.");
    }
    body.finish()?;
    let role = role.ok_or_else(|| ApiError::field("role_name", "Must be one of: Admin, User."))?;
    account.create(&app, role).await
}

pub async fn change(State(app): State<App>, _: AdminBearer, mut body: Fields) -> Result<Done, ApiError> {
    let uuid = body.required("uuid", Rule::default());
    let name = body.optional("name", NAME);
    let password = body.optional("password", new_password(&app));
    body.finish()?;
    let password_hash = match password {
        Some(password) => {
            let salt = Salt::from_rng(&mut rand::rng());
            Some(app.sessions.hasher.hash(password.into(), salt).await?)
        }
        None => None,
    };
    let changes = Changes { name, password_hash, ..Changes::default() };
    found(app.sessions.store.change_user(&uuid, changes, (app.clock)()).await?)
}

pub async fn delete(State(app): State<App>, _: AdminBearer, mut body: Fields) -> Result<Done, ApiError> {
    if body.is_null("uuid") {
        return Err(ApiError::text(StatusCode::UNPROCESSABLE_ENTITY, "uuid null"));
    }
    let uuid = body.required("uuid", Rule::default());
    body.finish()?;
    found(app.sessions.store.delete_user(&uuid).await?)
}

fn found(is_found: bool) -> Result<Done, ApiError> {
    if is_found { Ok(Done(StatusCode::OK)) } else { Err(ApiError::text(StatusCode::NOT_FOUND, "user not found")) }
}
