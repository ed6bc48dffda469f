//! Every meaning of "no" that the service knows; http gives each its status, once, in `http/problem.rs`.

use std::error::Error;

use super::attachments::AttachmentFault;
use crate::store::StoreError;
use api_schema::problem::FieldProblem;
use sync_core::codec::CodecError;
use sync_core::replica::ForkAnswer;

/// Why a service call failed. `Display` is for our own log; what the client may read stands in the fields, and never in a source.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// There is no such thing, or the caller may not know that there is.
    #[error("not found")]
    NotFound,
    /// The caller may know of it but not do this.
    #[error("forbidden")]
    Forbidden,
    /// The replica's access was taken back.
    #[error("the replica is revoked")]
    Revoked,
    /// A one-time code or token is wrong, used or expired; which of them is not told.
    #[error("a one-time code was refused")]
    CodeRefused,
    /// A signature does not fit its key and bytes.
    #[error("a signature was refused")]
    SignatureRefused,
    /// The log has no such replica.
    #[error("the replica is not known")]
    ReplicaUnknown,
    /// A replica's certificate is good, but the log does not have its person.
    #[error("the replica's person is not known")]
    PersonUnknown,
    /// The sync message cannot be taken apart.
    #[error("malformed frame: {reason}")]
    MalformedFrame {
        /// What is wrong with it, for the developer of a client; no content of it.
        reason: String,
    },
    /// Fields of a request are not valid.
    #[error("{} fields are not valid", errors.len())]
    FieldInvalid {
        /// Which, and why; never values.
        errors: Vec<FieldProblem>,
    },
    /// A limit was exceeded.
    #[error("over the limit {limit} = {value}")]
    LimitExceeded {
        /// The limit's name, unit last.
        limit: &'static str,
        /// The most that is allowed.
        value: u64,
    },
    /// What is asked contradicts what is so (a replica's id is taken, there is no fork).
    #[error("conflict: {reason}")]
    Conflict {
        /// What stands against it, for the developer of a client.
        reason: &'static str,
    },
    /// The caller's id for a change was used for another one.
    #[error("the id was used for another change")]
    ChangeIdReused,
    /// The client is too old to download.
    #[error("the client is too old to download")]
    UpgradeRequired,
    /// The caller can read none of the compressions on offer.
    #[error("no acceptable compression")]
    EncodingNotAcceptable,
    /// The caller asks too often.
    #[error("too many requests")]
    TooManyRequests,
    /// The disk is full; reads go on.
    #[error("the disk is full")]
    StorageFull,
    /// A queue is full.
    #[error("overloaded")]
    Overloaded,
    /// The clock jumped; nothing is admitted until it is right or an operator agrees.
    #[error("the clock is not trusted")]
    ClockUnsafe,
    /// The server cannot take work.
    #[error("not ready: {}", failed.join(", "))]
    NotReady {
        /// The checks that failed, by name.
        failed: Vec<String>,
    },
    /// Something about an upload or an attachment.
    #[error(transparent)]
    Attachment(#[from] AttachmentFault),
    /// Our own fault; the client learns nothing of it.
    #[error("{what}")]
    Internal {
        /// What could not be done.
        what: &'static str,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self::StorageFull,
            other => Self::Internal {
                what: "storage failed",
                source: Box::new(other),
            },
        }
    }
}

impl From<CodecError> for ServiceError {
    fn from(error: CodecError) -> Self {
        match error {
            CodecError::OverLimit { what, limit } => Self::LimitExceeded {
                limit: what,
                value: limit as u64,
            },
            other => Self::MalformedFrame {
                reason: other.to_string(),
            },
        }
    }
}

impl ServiceError {
    /// What this says of a fork that the server was told of; `None` when it says nothing.
    pub fn as_fork_answer(&self) -> Option<ForkAnswer> {
        match self {
            Self::Conflict { .. } => Some(ForkAnswer::NotShared),
            Self::ReplicaUnknown => Some(ForkAnswer::UnknownReplica),
            _ => None,
        }
    }

    /// What one failed transaction means to each of the many who shared it; the cause itself was logged.
    pub(super) fn shared(&self) -> Self {
        match self {
            Self::StorageFull => Self::StorageFull,
            Self::ClockUnsafe => Self::ClockUnsafe,
            _ => Self::Overloaded,
        }
    }

    /// Whether the disk itself failed, after which nobody knows what is on it.
    pub(super) fn is_disk_failure(&self) -> bool {
        let Self::Internal { source, .. } = self else {
            return false;
        };
        let Some(StoreError::Sqlite(error)) = source.downcast_ref::<StoreError>() else {
            return false;
        };
        error.sqlite_error_code() == Some(rusqlite::ErrorCode::SystemIoFailure)
    }
}
