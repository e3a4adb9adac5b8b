//! What a request can fail with, and as what the client sees it.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use pivotdb::ErrorKind;
use serde_json::json;

#[derive(Debug)]
pub enum Failure {
    Store(pivotdb::Error),
    PreconditionFailed,
    PreconditionRequired,
    BadRequest(String),
    /// A body that could not be read as what it must be.
    Body(JsonRejection),
    /// Something panicked. What it was doing may or may not have been done.
    Panicked,
}

impl From<pivotdb::Error> for Failure {
    fn from(error: pivotdb::Error) -> Self {
        Self::Store(error)
    }
}

impl From<JsonRejection> for Failure {
    fn from(rejection: JsonRejection) -> Self {
        Self::Body(rejection)
    }
}

impl From<QueryRejection> for Failure {
    fn from(rejection: QueryRejection) -> Self {
        Self::BadRequest(rejection.body_text())
    }
}

fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        // A transaction that met others too often can be tried again, just as one whose document is there already cannot.
        ErrorKind::AlreadyExists | ErrorKind::Conflict | ErrorKind::KindMismatch => StatusCode::CONFLICT,
        ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::InvalidId | ErrorKind::NotRepresentable | ErrorKind::TooDeep => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        // The patched document is no task. (A stored one that is none would be told as `Mismatch` too; steps are there to prevent that.)
        ErrorKind::Mismatch => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::OutOfSpace => StatusCode::INSUFFICIENT_STORAGE,
        ErrorKind::Poisoned | ErrorKind::Closed | ErrorKind::SnapshotExpired => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        // `CommitOutcomeUnknown` among them: the client must look.
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, told) = match self {
            Self::Store(error) => {
                let status = status(error.kind());
                if status.is_server_error() {
                    eprintln!("{error}");
                    (status, format!("{:?}", error.kind()))
                } else {
                    (status, error.to_string())
                }
            }
            Self::PreconditionFailed => (StatusCode::PRECONDITION_FAILED, "it has changed".to_owned()),
            Self::PreconditionRequired => (
                StatusCode::PRECONDITION_REQUIRED,
                "say If-Match with the tag that was read, or If-None-Match: *".to_owned(),
            ),
            Self::BadRequest(told) => (StatusCode::BAD_REQUEST, told),
            Self::Body(rejection) => (rejection.status(), rejection.body_text()),
            Self::Panicked => (StatusCode::INTERNAL_SERVER_ERROR, "a fault of the server".to_owned()),
        };
        (status, Json(json!({"error": told}))).into_response()
    }
}
