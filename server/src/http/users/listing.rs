//! `GET /api/v1/users`: all users, or a page. Only a few hundred users are in memory at once.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures::stream;

use super::ROLES;
use crate::http::app::App;
use crate::http::bearer::AdminBearer;
use crate::http::bodies::ListedView;
use crate::http::envelope::Envelope;
use crate::http::error::ApiError;
use crate::http::openapi::answers::{AdminRefusals, QueryRefusals, Refusals};
use crate::http::openapi::parameters::UserParameters;
use crate::http::query::Query;
use crate::store::{GroupsOfUsers, ListedUser, Store, StoreError, UserFilter};

const PAGE: u64 = 500;
const MAX_LIMIT: u64 = 1_000_000;
const HEAD: &[u8] = br#"{"status":"ok","code":200,"data":["#;
const TAIL: &[u8] = b"]}";

/// Lists all users, or those that match the parameters.
#[utoipa::path(
    get,
    path = "/users",
    tag = "users",
    operation_id = "list_users",
    params(UserParameters),
    responses((status = 200, description = "The users, in order of their id", body = Envelope<Vec<ListedView>>), Refusals, QueryRefusals, AdminRefusals),
    security(("bearer" = ["Admin"]))
)]
pub async fn list(State(app): State<App>, _: AdminBearer, mut query: Query) -> Result<Response, ApiError> {
    let limit = query.number("limit", 1, MAX_LIMIT);
    let after = query.text("after");
    let filter =
        UserFilter { text: query.search("q"), role: query.one_of("role", &ROLES), disabled: query.flag("disabled") };
    let store = app.sessions.store.clone();
    let after = match after {
        Some(uuid) => store.user_by_any_uuid(&uuid).await?.map(|user| user.id),
        None => Some(0),
    };
    if after.is_none() {
        query.fail("after", "No such user.");
    }
    query.finish()?;
    let mut pages = Pages { store, filter, after: after.unwrap_or(0), left: limit.unwrap_or(u64::MAX), is_first: true };
    // Read the first page before the answer begins: if the database is unavailable, the answer is a clear 503.
    let first = pages.next().await?;
    let body = stream::try_unfold((Some(first), pages), |(ready, mut pages)| async move {
        let page = match ready {
            Some(first) => first,
            None if pages.is_over() => return Ok(None),
            None => pages.next().await?,
        };
        Ok::<_, StoreError>(Some((page, (None, pages))))
    });
    let mut response = (StatusCode::OK, Body::from_stream(body)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// The position in the list.
struct Pages {
    store: Store,
    filter: UserFilter,
    after: i32,
    /// The number of users left to write; 0 once the end is written.
    left: u64,
    is_first: bool,
}

impl Pages {
    const fn is_over(&self) -> bool {
        self.left == 0
    }

    async fn next(&mut self) -> Result<Bytes, StoreError> {
        let wanted = PAGE.min(self.left);
        let users = self.store.users(&self.filter, self.after, wanted).await?;
        let mut text = Vec::with_capacity(users.len() * 160 + HEAD.len());
        if self.is_first {
            text.extend_from_slice(HEAD);
        }
        let count = users.len() as u64;
        self.left -= count;
        self.after = users.last().map_or(self.after, |user| user.id);
        let groups = self.store.groups_of_users(users.iter().map(|user| user.id)).await?;
        self.write(users, groups, &mut text);
        if count < wanted || self.left == 0 {
            self.left = 0;
            text.extend_from_slice(TAIL);
        }
        Ok(text.into())
    }

    fn write(&mut self, users: Vec<ListedUser>, mut groups: GroupsOfUsers, text: &mut Vec<u8>) {
        for user in users {
            if !self.is_first {
                text.push(b',');
            }
            self.is_first = false;
            // Strings and numbers cannot fail.
            let groups = groups.remove(&user.id).unwrap_or_default();
            let _ = serde_json::to_writer(&mut *text, &ListedView::new(user, groups));
        }
    }
}
