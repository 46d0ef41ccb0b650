//! All users, for Admins: `/api/v1/users`. Every handler authenticates the client before it checks the body.

pub mod listing;

use axum::extract::State;
use axum::http::StatusCode;

use super::accounts::{NewAccount, check_password, hash};
use super::app::App;
use super::bearer::AdminBearer;
use super::bodies::{ChangeUserBody, CreateUserBody, DeleteUserBody, RoleView, UserChangesBody, UserView};
use super::body::{Fields, Problems};
use super::envelope::{Data, Done, Envelope};
use super::error::ApiError;
use super::openapi::answers::{
    AdminRefusals, BodyRefusals, ChangeRefusals, DeleteRefusals, Empty, NewUserRefusals, QueryRefusals, Refusals,
    UserRefusals,
};
use super::query::{Id, NoQuery};
use crate::account::{Problem, groups};
use crate::auth::audit::{AuditOutcome, Entry, Event};
use crate::auth::client::Client;
use crate::auth::hasher::Standing;
use crate::auth::session::Authenticated;
use crate::store::{Guard, Role, User};

const ROLES: [(&str, Role); 2] = [("Admin", Role::Admin), ("User", Role::User)];

/// Returns one user.
#[utoipa::path(
    get,
    path = "/users/{uuid}",
    tag = "users",
    operation_id = "get_user",
    params(("uuid" = String, Path, description = "The uuid of the user", example = "0123456789abcdef0123456789abcdef")),
    responses(
        (status = 200, description = "The user", body = Envelope<UserView>),
        UserRefusals,
        Refusals,
        AdminRefusals,
    ),
    security(("bearer" = ["Admin"]))
)]
pub async fn get(State(app): State<App>, _: AdminBearer, Id(uuid): Id) -> Result<Data<UserView>, ApiError> {
    let user = find(&app, &uuid).await?;
    let groups = app.sessions.store.groups(user.id).await?;
    Ok(Data(UserView::new(user, groups)))
}

/// Creates a user with a role.
#[utoipa::path(
    post,
    path = "/users",
    tag = "users",
    operation_id = "create_user",
    request_body = CreateUserBody,
    responses(
        (status = 201, description = "The user was created", body = Empty),
        NewUserRefusals,
        Refusals,
        AdminRefusals,
        BodyRefusals,
    ),
    security(("bearer" = ["Admin"]))
)]
pub async fn create(
    State(app): State<App>,
    AdminBearer(admin): AdminBearer,
    client: Client,
    fields: Fields,
) -> Result<Done, ApiError> {
    let (CreateUserBody { username, name, email, password, role_name }, mut problems) = fields.read()?;
    let account = NewAccount { username, name, email, password };
    account.check(&mut problems, &app);
    problems.refuse()?;
    let role = Role::from(role_name);
    account.create(&app, role, Some(&admin), &client).await?;
    Ok(Done(StatusCode::CREATED))
}

/// Changes a user. A new password, and disabling the user, end all of the user's sessions.
#[utoipa::path(
    patch,
    path = "/users",
    tag = "users",
    operation_id = "change_user",
    request_body = ChangeUserBody,
    responses(
        (status = 200, description = "The user was changed", body = Empty),
        UserRefusals,
        ChangeRefusals,
        Refusals,
        AdminRefusals,
        BodyRefusals,
    ),
    security(("bearer" = ["Admin"]))
)]
pub async fn change(
    State(app): State<App>,
    AdminBearer(admin): AdminBearer,
    client: Client,
    fields: Fields,
) -> Result<Done, ApiError> {
    let (body, problems) = fields.read::<ChangeUserBody>()?;
    let (uuid, body) = body.split();
    let user = if problems.has("uuid") { None } else { app.sessions.store.user_by_any_uuid(&uuid).await? };
    apply(&app, &admin, &client, user, body, problems).await
}

/// Changes the user in the path, like the call with the uuid in the body.
#[utoipa::path(
    patch,
    path = "/users/{uuid}",
    tag = "users",
    operation_id = "change_one_user",
    params(("uuid" = String, Path, description = "The uuid of the user", example = "0123456789abcdef0123456789abcdef")),
    request_body = UserChangesBody,
    responses(
        (status = 200, description = "The user was changed", body = Empty),
        UserRefusals,
        ChangeRefusals,
        Refusals,
        AdminRefusals,
        BodyRefusals,
    ),
    security(("bearer" = ["Admin"]))
)]
pub async fn change_one(
    State(app): State<App>,
    AdminBearer(admin): AdminBearer,
    client: Client,
    Id(uuid): Id,
    fields: Fields,
) -> Result<Done, ApiError> {
    let (body, problems) = fields.read::<UserChangesBody>()?;
    let user = app.sessions.store.user_by_any_uuid(&uuid).await?;
    apply(&app, &admin, &client, user, body, problems).await
}

async fn apply(
    app: &App,
    admin: &Authenticated,
    client: &Client,
    user: Option<User>,
    mut body: UserChangesBody,
    mut problems: Problems,
) -> Result<Done, ApiError> {
    check_changes(&body, user.as_ref(), &mut problems, app);
    problems.refuse()?;
    let user = user.ok_or_else(not_found)?;
    let detail = body.fields(app.settings.name).given();
    let password_hash = match body.password.take() {
        Some(password) => Some(hash(app, password, Standing::Known).await?),
        None => None,
    };
    let guard = Guard { actor: Some(admin.admin(app.now())), compared_hash: None };
    let changes = body.changes(password_hash);
    let entry =
        Entry::new(Event::UserChanged, AuditOutcome::Success).by(&admin.user).to(&user.uuid, user.username.as_deref());
    let event = app.sessions.event(client, entry.detail(detail), app.now());
    if !app.sessions.store.change_user(user.id, changes, guard, &event, app.now()).await? {
        return Err(not_found());
    }
    app.sessions.done(&event);
    Ok(Done(StatusCode::OK))
}

/// Adds the problems of the changes. A password must not be one of the user's own names, present or new.
fn check_changes(body: &UserChangesBody, user: Option<&User>, problems: &mut Problems, app: &App) {
    body.fields(app.settings.name).check(problems);
    if let Some(problem) = problems.given("groups", body.groups.as_ref()).and_then(|groups| groups::problem(groups)) {
        problems.add("groups", problem);
    }
    if body.email_verified == Some(true) && body.email.is_none() && user.is_some_and(|user| user.email.is_none()) {
        problems.add("email_verified", Problem::NoAddress);
    }
    if let (Some(password), Some(user)) = (&body.password, user) {
        let name = problems.given("name", body.name.as_ref()).or(user.name.as_ref());
        let email = problems.given("email", body.email.as_ref()).or(user.email.as_ref());
        let names: Vec<_> = [user.username.as_ref(), name, email].into_iter().flatten().map(String::as_str).collect();
        check_password(problems, app, "password", password, &names);
    }
}

/// Deletes a user and all of the user's sessions.
#[utoipa::path(
    delete,
    path = "/users",
    tag = "users",
    operation_id = "delete_user",
    request_body = DeleteUserBody,
    responses(
        (status = 200, description = "The user was deleted", body = Empty),
        UserRefusals,
        DeleteRefusals,
        Refusals,
        AdminRefusals,
        BodyRefusals,
    ),
    security(("bearer" = ["Admin"]))
)]
pub async fn delete(
    State(app): State<App>,
    AdminBearer(admin): AdminBearer,
    client: Client,
    fields: Fields,
) -> Result<Done, ApiError> {
    if fields.is_null("uuid") {
        return Err(ApiError::text(StatusCode::UNPROCESSABLE_ENTITY, "uuid null"));
    }
    let (DeleteUserBody { uuid }, problems) = fields.read()?;
    problems.refuse()?;
    remove(&app, &admin, &client, &uuid).await
}

/// Deletes the user in the path, like the call with the uuid in the body.
#[utoipa::path(
    delete,
    path = "/users/{uuid}",
    tag = "users",
    operation_id = "delete_one_user",
    params(("uuid" = String, Path, description = "The uuid of the user", example = "0123456789abcdef0123456789abcdef")),
    responses(
        (status = 200, description = "The user was deleted", body = Empty),
        UserRefusals,
        DeleteRefusals,
        Refusals,
        AdminRefusals,
    ),
    security(("bearer" = ["Admin"]))
)]
pub async fn delete_one(
    State(app): State<App>,
    AdminBearer(admin): AdminBearer,
    client: Client,
    Id(uuid): Id,
) -> Result<Done, ApiError> {
    remove(&app, &admin, &client, &uuid).await
}

async fn remove(app: &App, admin: &Authenticated, client: &Client, uuid: &str) -> Result<Done, ApiError> {
    let user = find(app, uuid).await?;
    let guard = Guard { actor: Some(admin.admin(app.now())), compared_hash: None };
    let entry =
        Entry::new(Event::UserDeleted, AuditOutcome::Success).by(&admin.user).to(&user.uuid, user.username.as_deref());
    let event = app.sessions.event(client, entry, app.now());
    if !app.sessions.store.delete_user(user.id, guard, &event).await? {
        return Err(not_found());
    }
    app.sessions.done(&event);
    Ok(Done(StatusCode::OK))
}

/// Clears the failed logins of a user, who can then log in without a delay.
#[utoipa::path(
    delete,
    path = "/users/{uuid}/login-failures",
    tag = "users",
    operation_id = "clear_login_failures",
    params(("uuid" = String, Path, description = "The uuid of the user", example = "0123456789abcdef0123456789abcdef")),
    responses(
        (status = 200, description = "The failed logins were cleared", body = Empty),
        UserRefusals,
        Refusals,
        AdminRefusals,
    ),
    security(("bearer" = ["Admin"]))
)]
pub async fn clear_failures(
    State(app): State<App>,
    AdminBearer(admin): AdminBearer,
    client: Client,
    Id(uuid): Id,
) -> Result<Done, ApiError> {
    let user = find(&app, &uuid).await?;
    let entry = Entry::new(Event::LoginFailuresCleared, AuditOutcome::Success).by(&admin.user);
    let event = app.sessions.event(&client, entry.to(&user.uuid, user.username.as_deref()), app.now());
    if !app.sessions.store.clear_failures_as(user.id, &admin.admin(app.now()), &event).await? {
        return Err(not_found());
    }
    app.sessions.done(&event);
    Ok(Done(StatusCode::OK))
}

/// Lists the roles.
#[utoipa::path(
    get,
    path = "/roles",
    tag = "users",
    operation_id = "list_roles",
    responses((status = 200, description = "All roles", body = Envelope<Vec<RoleView>>), Refusals, QueryRefusals, AdminRefusals),
    security(("bearer" = ["Admin"]))
)]
pub async fn roles(State(app): State<App>, _: AdminBearer, _: NoQuery) -> Result<Data<Vec<RoleView>>, ApiError> {
    Ok(Data(app.sessions.store.roles().await?.into_iter().map(RoleView::from).collect()))
}

async fn find(app: &App, uuid: &str) -> Result<User, ApiError> {
    app.sessions.store.user_by_any_uuid(uuid).await?.ok_or_else(not_found)
}

fn not_found() -> ApiError {
    ApiError::text(StatusCode::NOT_FOUND, "user not found")
}
