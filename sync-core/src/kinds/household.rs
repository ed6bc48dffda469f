//! Households that agreed to be visited. Who lives there stands in the sealed part.

use super::{Field, Form, Intent, Kind, Shape, optional, required};

const CREATE: &[Field] = &[
    required("title", Form::Text(40)),
    required("consented", Form::Flag),
    optional("place", Form::Place),
    optional("address", Form::Text(200)),
    optional("checklist", Form::Code),
    optional("visit_every_days", Form::Integer(1, 1_000)),
    optional("assignee", Form::Person),
];

const AMEND: &[Field] = &[
    optional("title", Form::Text(40)),
    optional("consented", Form::Flag),
    CREATE[2],
    CREATE[3],
    CREATE[4],
    CREATE[5],
    CREATE[6],
];

/// The intents of a household.
pub const INTENTS: &[Intent] = &[
    Intent {
        name: "household.create",
        kind: Some(Kind::Household),
        schema: 1,
        since: &[2],
        shape: Shape::Create(None),
        fields: CREATE,
    },
    Intent {
        name: "household.amend",
        kind: Some(Kind::Household),
        schema: 1,
        since: &[2],
        shape: Shape::Amend,
        fields: AMEND,
    },
    Intent {
        name: "household.void",
        kind: Some(Kind::Household),
        schema: 1,
        since: &[2],
        shape: Shape::Element("voids"),
        fields: &[required("reason", Form::Text(500))],
    },
];
