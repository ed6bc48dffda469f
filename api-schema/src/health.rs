//! Health: is the process alive, and may it be given work.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The process runs and answers.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Live {
    /// Always true; a dead process does not answer.
    pub live: bool,
}

/// The server can take work. When it cannot, the answer is a `not_ready` problem that names what failed.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Ready {
    /// Always true in this answer.
    pub ready: bool,
    /// What was looked at, all of it good.
    pub checks: Vec<String>,
}
