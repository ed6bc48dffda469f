//! Roles: what somebody may do and read by holding one.

use super::Name;
use crate::kinds::Kind;
use serde::Deserialize;
use std::collections::BTreeMap;

/// How a role reads a kind of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reads {
    /// Records of the unit where the role is held and of all below it.
    Place,
    /// Records whose desk is that unit or below it.
    Desk,
}

/// What a role may do and see.
#[derive(Clone, Debug, Deserialize)]
pub struct Role {
    /// Its code.
    pub code: String,
    /// What people call it.
    pub name: Name,
    /// The intents it may author. Which steps of a workflow it may take is the workflow's matter.
    pub intents: Vec<String>,
    /// The kinds it reads, and how.
    pub reads: BTreeMap<Kind, Reads>,
    /// What of the district itself it may change, when it is held on the whole district: `documents`.
    #[serde(default)]
    pub administers: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct RolesFile {
    pub roles: Vec<Role>,
}
