//! Changes of a user's own account. A new address and a new password need the current password: a stolen token alone
//! must not take over the account.

use axum::extract::State;
use axum::http::StatusCode;
use secrecy::SecretString;

use super::{check_domain, check_password, hash};
use crate::account::{CREDENTIAL, Field, Problem, key};
use crate::auth::audit::{AuditOutcome, Entry, Event};
use crate::auth::client::Client;
use crate::auth::hasher::Standing;
use crate::auth::session::{Authenticated, COMPARISONS, SessionError};
use crate::http::app::App;
use crate::http::bearer::Bearer;
use crate::http::bodies::{ChangeMeBody, ChangePasswordBody};
use crate::http::body::{Fields, Problems};
use crate::http::envelope::Done;
use crate::http::error::ApiError;
use crate::http::openapi::answers::{AnyFailure, BodyRefusals, Empty, Failure, LimitedRefusals, Refusals};
use crate::http::openapi::examples::failure;
use crate::http::rate_limits::Limited;
use crate::store::{Changes, Guard, NewEvent, StoreError, User};

/// The current password, as a body has it.
struct Current<'a> {
    field: &'static str,
    password: &'a SecretString,
    /// What it is needed for.
    event: Event,
}

/// Changes the user's own name or e-mail address.
///
/// A new address needs the current password, and is not verified.
#[utoipa::path(
    patch,
    path = "/accounts/me",
    tag = "accounts",
    request_body = ChangeMeBody,
    responses(
        (status = 200, description = "The user was changed", body = Empty),
        (
            status = 409,
            description = "Another user has the e-mail address, or another request changed the password meanwhile.",
            body = Failure,
            example = json!(failure(409, "email already exists"))
        ),
        Refusals,
        BodyRefusals,
        LimitedRefusals,
        (
            status = 422,
            description = "A field is invalid, or the current password is missing or wrong. If the token is malformed, the answer is {\"msg\": …}.",
            body = AnyFailure,
            example = json!({
                "status": "fail", "code": 422, "data": {"error": {"password": ["Not the present password."]}}
            })
        ),
    ),
    security(("bearer" = []))
)]
pub async fn change_me(
    State(app): State<App>,
    Bearer(bearer): Bearer,
    client: Client,
    fields: Fields,
) -> Result<Done, ApiError> {
    let (mut body, mut problems) = fields.read::<ChangeMeBody>()?;
    body.fields(app.settings.name).check(&mut problems);
    if let Some(email) = &body.email {
        check_domain(&mut problems, &app, email);
    }
    let password = body.password.take();
    let moves = is_new_address(&body, &bearer.user);
    if moves {
        check_current(&mut problems, "password", password.as_deref());
    }
    problems.refuse()?;
    let entry = Entry::new(Event::AccountChanged, AuditOutcome::Success).by(&bearer.user);
    let event = app.sessions.event(&client, entry.detail(body.fields(app.settings.name).given()), app.now());
    let changes = body.changes();
    if let Some(password) = password.filter(|_| moves) {
        check_rate_of_addresses(&app, &bearer, &client)?;
        let current = Current { field: "password", password: &password.into(), event: Event::AccountChanged };
        let compared_hash = confirm(&app, &bearer, &current, &client).await?;
        change(&app, &bearer, &current, compared_hash, changes, &event, &client).await?;
    } else {
        let guard = Guard { actor: Some(bearer.actor(app.now())), compared_hash: None };
        app.sessions.store.change_user(bearer.user.id, changes, guard, &event, app.now()).await?;
        app.sessions.done(&event);
    }
    Ok(Done(StatusCode::OK))
}

/// Clients that send the present address with every change need no password.
fn is_new_address(body: &ChangeMeBody, user: &User) -> bool {
    let key_of = |email: &str| key(Field::Email, email);
    body.email.as_deref().is_some_and(|email| user.email.as_deref().map(key_of) != Some(key_of(email)))
}

fn check_current(problems: &mut Problems, field: &str, password: Option<&str>) {
    match password {
        Some(password) => problems.check(field, password, CREDENTIAL),
        None if !problems.has(field) => problems.add(field, Problem::Missing),
        None => {}
    }
}

fn check_rate_of_addresses(app: &App, bearer: &Authenticated, client: &Client) -> Result<(), ApiError> {
    if let Some(changes) = &app.settings.address_changes {
        changes.take(bearer.user.id).map_err(ApiError::TooMany)?;
    }
    app.settings.check_rate(Limited::Recognised, client)
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
        (
            status = 422,
            description = "A field is invalid, or the current password is wrong. If the token is malformed, the answer is {\"msg\": …}.",
            body = AnyFailure,
            example = json!({
                "status": "fail", "code": 422, "data": {"error": {"old_password": ["Not the present password."]}}
            })
        ),
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
    let current = Current { field: "old_password", password: &old.into(), event: Event::PasswordChanged };
    let compared_hash = confirm(&app, &bearer, &current, &client).await?;
    let changes = Changes {
        password_hash: Some(hash(&app, new, Standing::Known).await?),
        keep_session: bearer.sid().map(str::to_owned),
        ..Changes::default()
    };
    let event =
        app.sessions.event(&client, Entry::new(Event::PasswordChanged, AuditOutcome::Success).by(user), app.now());
    change(&app, &bearer, &current, compared_hash, changes, &event, &client).await?;
    Ok(Done(StatusCode::OK))
}

/// Makes a change for which the current password was compared. If a login replaces an imported hash between the
/// comparison and the change, it compares again.
async fn change(
    app: &App,
    bearer: &Authenticated,
    current: &Current<'_>,
    mut compared_hash: String,
    changes: Changes,
    event: &NewEvent,
    client: &Client,
) -> Result<(), ApiError> {
    let mut comparisons = 1;
    loop {
        let guard = Guard { actor: Some(bearer.actor(app.now())), compared_hash: Some(compared_hash) };
        match app.sessions.store.change_user(bearer.user.id, changes.clone(), guard, event, app.now()).await {
            Err(StoreError::PasswordChanged) if comparisons < COMPARISONS => {
                compared_hash = confirm(app, bearer, current, client).await?;
                comparisons += 1;
            }
            result => {
                result?;
                app.sessions.done(event);
                return Ok(());
            }
        }
    }
}

async fn confirm(
    app: &App,
    bearer: &Authenticated,
    current: &Current<'_>,
    client: &Client,
) -> Result<String, ApiError> {
    match app.sessions.confirm_password(bearer, current.password, current.event, client, app.now()).await {
        Err(SessionError::BadCredentials) => Err(ApiError::field(current.field, Problem::WrongPassword)),
        result => Ok(result?),
    }
}
