//! Which answer leads on to which request: the links and headers that answers carry in the OpenAPI document.
//!
//! A table beside the endpoint table, because most rows have neither.

use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::link::Link;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Type};

/// From an answer to the next request.
#[derive(Clone, Copy, Debug)]
struct Lead {
    /// The operation that answers.
    from: &'static str,
    /// With this status.
    status: u16,
    /// The link's name.
    name: &'static str,
    /// The operation to ask next.
    to: &'static str,
    /// Its parameters, each with the expression that finds it in the answer.
    parameters: &'static [(&'static str, &'static str)],
    /// What that gives.
    description: &'static str,
}

const LEADS: &[Lead] = &[
    Lead {
        from: "list_records",
        status: 200,
        name: "record",
        to: "get_record",
        parameters: &[("record", "$response.body#/records/0/record")],
        description: "A record of the page, with its timeline.",
    },
    Lead {
        from: "list_records",
        status: 200,
        name: "next_page",
        to: "list_records",
        parameters: &[("after", "$response.body#/next")],
        description: "The next page; with the same filters.",
    },
    Lead {
        from: "directory",
        status: 200,
        name: "records_of_unit",
        to: "list_records",
        parameters: &[("unit", "$response.body#/units/0/unit")],
        description: "The records of a unit.",
    },
    Lead {
        from: "directory",
        status: 200,
        name: "unchanged",
        to: "directory",
        parameters: &[("If-None-Match", "$response.header.ETag")],
        description: "Whether it has changed since.",
    },
    Lead {
        from: "list_snapshots",
        status: 200,
        name: "segment",
        to: "snapshot_segment",
        parameters: &[
            ("name", "$response.body#/snapshots/0/name"),
            ("segment", "$response.body#/snapshots/0/segments/0/segment"),
        ],
        description: "A segment of a file.",
    },
];

/// A header of an answer: operation, status, name, and what it says.
const HEADERS: &[(&str, u16, &str, &str)] = &[
    (
        "directory",
        200,
        "ETag",
        "What to send as `If-None-Match` next time.",
    ),
    ("directory", 304, "ETag", "The same as was sent."),
    (
        "snapshot_segment",
        200,
        "ETag",
        "What to send as `If-Range` with a range.",
    ),
    (
        "snapshot_segment",
        206,
        "ETag",
        "What to send as `If-Range` with a range.",
    ),
    (
        "snapshot_segment",
        206,
        "Content-Range",
        "Which bytes of how many.",
    ),
    (
        "snapshot_segment",
        416,
        "Content-Range",
        "How many bytes there are.",
    ),
];

/// Adds what the tables say of an operation's answer.
pub(crate) fn add_to(
    operation: &str,
    status: u16,
    mut response: ResponseBuilder,
) -> ResponseBuilder {
    for (of, with, name, description) in HEADERS {
        if (*of, *with) == (operation, status) {
            response = response.header(*name, text_header(description));
        }
    }
    for lead in LEADS {
        if (lead.from, lead.status) == (operation, status) {
            response = response.link(lead.name, link(lead));
        }
    }
    response
}

fn text_header(description: &str) -> Header {
    let text = ObjectBuilder::new().schema_type(Type::String);
    HeaderBuilder::new()
        .schema(Some(text))
        .description(Some(description))
        .build()
}

fn link(lead: &Lead) -> Link {
    let mut link = Link::builder()
        .operation_id(lead.to)
        .description(lead.description);
    for (name, expression) in lead.parameters {
        link = link.parameter(*name, *expression);
    }
    link.build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoints::endpoint;

    #[test]
    fn links_and_headers_stand_at_answers_and_links_lead_to_parameters() {
        let of_rows = LEADS.iter().map(|lead| (lead.from, lead.status));
        let of_headers = HEADERS
            .iter()
            .map(|(operation, status, ..)| (*operation, *status));
        for (operation, status) in of_rows.chain(of_headers) {
            let row = endpoint(operation);
            let good = row.answers.iter().map(|answer| answer.status);
            let bad = row
                .problems()
                .into_iter()
                .map(|code| code.registered().status);
            assert!(
                good.chain(bad).any(|known| known == status),
                "{operation} never answers {status}"
            );
        }
        for lead in LEADS {
            let parameters = (endpoint(lead.to).parameters)();
            for (name, _) in lead.parameters {
                assert!(
                    parameters.iter().any(|parameter| parameter.name == *name),
                    "{} of {}: no parameter {name}",
                    lead.name,
                    lead.from
                );
            }
        }
    }
}
