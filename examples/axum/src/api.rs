//! The API: requests to calls, results to responses.

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::header::{ETAG, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use pivotdb::Document;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::etag::{Precondition, tag};
use crate::failure::Failure;
use crate::task::{NewTask, Task, Tasks};

/// Bytes of a request's body.
const LARGEST_BODY: usize = 64 << 10;
const LARGEST_PAGE: usize = 1000;

pub fn router(tasks: Tasks) -> Router {
    Router::new()
        .route("/tasks", get(list).post(insert))
        .route("/tasks/{id}", get(read).put(put).patch(patch).delete(delete))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(tasks)
}

type Answer = Result<Response, Failure>;

/// Runs a call that blocks where blocking holds nobody else up. A client that goes away meanwhile does not stop it.
async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> Result<R, Failure> + Send + 'static,
) -> Result<R, Failure> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(Failure::Panicked))
}

fn shown(task: &Document<Task>) -> Value {
    json!({"id": task.id().as_text(), "title": task.title, "done": task.done, "tags": task.tags})
}

fn answer(status: StatusCode, task: &Document<Task>) -> Response {
    (status, [(ETAG, tag(task))], Json(shown(task))).into_response()
}

/// Ids are the client's to choose, so that they may need escaping in a path.
fn location(task: &Document<Task>) -> String {
    let mut location = "/tasks/".to_owned();
    for byte in task.id().as_text().unwrap_or_default().bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            location.push(char::from(byte));
        } else {
            location += &format!("%{byte:02X}");
        }
    }
    location
}

fn created(task: &Document<Task>) -> Response {
    let mut response = answer(StatusCode::CREATED, task);
    if let Ok(location) = location(task).parse() {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

async fn insert(State(tasks): State<Tasks>, new: Result<Json<NewTask>, JsonRejection>) -> Answer {
    let Json(new) = new?;
    Ok(created(&blocking(move || tasks.insert(new)).await?))
}

#[derive(Debug, Deserialize)]
struct Page {
    after: Option<String>,
    limit: Option<usize>,
}

async fn list(State(tasks): State<Tasks>, page: Result<Query<Page>, QueryRejection>) -> Answer {
    let Query(Page { after, limit }) = page?;
    let limit = limit.unwrap_or(100).min(LARGEST_PAGE);
    let page = blocking(move || tasks.page(after, limit)).await?;
    Ok(Json(page.iter().map(shown).collect::<Value>()).into_response())
}

async fn read(State(tasks): State<Tasks>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let precondition = Precondition::of(&headers)?;
    let task = blocking(move || tasks.get(&id)).await?;
    let tag = tag(&task);
    match precondition {
        Precondition::NoneMatch(_) if !precondition.holds(Some(&tag)) => {
            Ok((StatusCode::NOT_MODIFIED, [(ETAG, tag)]).into_response())
        }
        _ => {
            precondition.check(&tag)?;
            Ok(answer(StatusCode::OK, &task))
        }
    }
}

async fn put(
    State(tasks): State<Tasks>,
    Path(id): Path<String>,
    headers: HeaderMap,
    task: Result<Json<Task>, JsonRejection>,
) -> Answer {
    let Json(task) = task?;
    let precondition = Precondition::of(&headers)?;
    // Without one, whoever writes last would win without knowing.
    if precondition == Precondition::None {
        return Err(Failure::PreconditionRequired);
    }
    let (new, task) = blocking(move || tasks.put(&id, &task, &precondition)).await?;
    Ok(if new { created(&task) } else { answer(StatusCode::OK, &task) })
}

async fn patch(
    State(tasks): State<Tasks>,
    Path(id): Path<String>,
    headers: HeaderMap,
    patch: Result<Json<Value>, JsonRejection>,
) -> Answer {
    let Json(patch) = patch?;
    let precondition = Precondition::of(&headers)?;
    Ok(answer(StatusCode::OK, &blocking(move || tasks.patch(&id, &patch, &precondition)).await?))
}

async fn delete(State(tasks): State<Tasks>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let precondition = Precondition::of(&headers)?;
    blocking(move || tasks.delete(&id, &precondition)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
