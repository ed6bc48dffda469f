//! The rows of attachments: uploads by tus, and what is read of them.

use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};

use super::table::{no_parameters, parameter};
use super::{ATTACHMENT_BYTES_MAX, Answer, Auth, Content, Endpoint, Method};
use crate::attachment::{ATTACHMENT_CONTENT_TYPES, PIECE_CONTENT_TYPE, TUS_VERSION};
use crate::problem::ProblemCode;

const UPLOADS: &str = "/v1/uploads";
const UPLOAD: &str = "/v1/uploads/{upload}";

/// A sum of 32 or of 20 bytes in base64, in its one spelling.
const CHECKSUM_PATTERN: &str =
    "^(sha256 [A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=|sha1 [A-Za-z0-9+/]{26}[AEIMQUYcgkosw048]=)$";
const CHECKSUM_OF_NOTHING: &str = "sha1 2jmj7l5rSw0yVb/vlWAYkK/YBwk=";
/// The two keys and 64 characters in base64. More pairs may stand there and in another order: a pattern that is easy to read says less.
const METADATA_PATTERN: &str =
    "^sha256 [A-Za-z0-9+/]{85}[AQgw]==,filetype [A-Za-z0-9+/]{4,24}={0,2}$";

/// Whatever an attachment is: its own type is in the answer.
const BYTES: Content = Content::BinaryOf(ATTACHMENT_CONTENT_TYPES);

pub(super) const WHOLE: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/records/{record}/attachments/{sha256}",
    operation: "attachment",
    summary: "Read an attachment that a record names, without the metadata that came with it.",
    auth: Auth::Bearer,
    request: Content::Empty,
    body_bytes_max: 0,
    parameters: attachment_path,
    answers: &[
        Answer {
            status: 200,
            content: BYTES,
            description: "The bytes, with the attachment's own Content-Type.",
        },
        Answer {
            status: 206,
            content: BYTES,
            description: "The range of the bytes that was asked for.",
        },
    ],
    own_problems: &[
        ProblemCode::NotFound,
        ProblemCode::AttachmentMissing,
        ProblemCode::RangeNotSatisfiable,
    ],
};

pub(super) const THUMBNAIL: Endpoint = Endpoint {
    path: "/v1/records/{record}/attachments/{sha256}/thumbnail",
    operation: "attachment_thumbnail",
    summary: "Read the small image of an attachment that a record names.",
    answers: &[
        Answer {
            status: 200,
            content: Content::Binary("image/jpeg"),
            description: "A JPEG of at most 320 pixels a side.",
        },
        Answer {
            status: 206,
            content: Content::Binary("image/jpeg"),
            description: "The range of the bytes that was asked for.",
        },
    ],
    ..WHOLE
};

pub(super) const OPTIONS: Endpoint = Endpoint {
    method: Method::Options,
    path: UPLOADS,
    operation: "upload_options",
    summary: "Which version and extensions of tus are spoken, and the most bytes of an upload, in headers.",
    auth: Auth::Bearer,
    request: Content::Empty,
    body_bytes_max: 0,
    parameters: no_parameters,
    answers: &[Answer {
        status: 204,
        content: Content::Empty,
        description: "Tus-Version, Tus-Extension, Tus-Max-Size and Tus-Checksum-Algorithm.",
    }],
    own_problems: &[],
};

pub(super) const CREATE: Endpoint = Endpoint {
    method: Method::Post,
    path: UPLOADS,
    operation: "create_upload",
    summary: "Begin the upload of bytes that a change names (tus creation and creation-with-upload).",
    auth: Auth::Bearer,
    request: Content::Binary(PIECE_CONTENT_TYPE),
    body_bytes_max: ATTACHMENT_BYTES_MAX,
    parameters: creation_headers,
    answers: &[Answer {
        status: 201,
        content: Content::Empty,
        description: "Location, Upload-Offset and Upload-Expires. An offset of the whole length: the bytes were there already.",
    }],
    own_problems: &[
        ProblemCode::FieldInvalid,
        ProblemCode::TusVersionUnsupported,
        ProblemCode::AttachmentQuotaUsed,
        ProblemCode::AttachmentHashDiffers,
        ProblemCode::AttachmentRefused,
        ProblemCode::ChecksumUnsupported,
        ProblemCode::ChecksumDiffers,
        ProblemCode::UploadTakenOver,
        ProblemCode::StorageFull,
        ProblemCode::NotFound,
    ],
};

pub(super) const FIND: Endpoint = Endpoint {
    method: Method::Head,
    path: UPLOAD,
    operation: "find_upload",
    summary: "Where an upload stands: Upload-Offset, Upload-Length, Upload-Metadata, Upload-Expires.",
    auth: Auth::Bearer,
    request: Content::Empty,
    body_bytes_max: 0,
    parameters: upload_path,
    answers: &[Answer {
        status: 200,
        content: Content::Empty,
        description: "In headers. The offset is the whole length only once the attachment is stored.",
    }],
    own_problems: &[ProblemCode::NotFound, ProblemCode::TusVersionUnsupported],
};

pub(super) const APPEND: Endpoint = Endpoint {
    method: Method::Patch,
    path: UPLOAD,
    operation: "append_upload",
    summary: "Send a piece of an upload, from where it stands.",
    auth: Auth::Bearer,
    request: Content::Binary(PIECE_CONTENT_TYPE),
    body_bytes_max: ATTACHMENT_BYTES_MAX,
    parameters: piece_headers,
    answers: &[Answer {
        status: 204,
        content: Content::Empty,
        description: "Upload-Offset: all below it is on the server's disk.",
    }],
    own_problems: &[
        ProblemCode::FieldInvalid,
        ProblemCode::NotFound,
        ProblemCode::TusVersionUnsupported,
        ProblemCode::UploadOffsetDiffers,
        ProblemCode::UploadTakenOver,
        ProblemCode::AttachmentHashDiffers,
        ProblemCode::AttachmentRefused,
        ProblemCode::ChecksumUnsupported,
        ProblemCode::ChecksumDiffers,
        ProblemCode::StorageFull,
    ],
};

pub(super) const END: Endpoint = Endpoint {
    method: Method::Delete,
    path: UPLOAD,
    operation: "end_upload",
    summary: "End an upload and take its bytes away (tus termination); an attachment that it finished stays.",
    auth: Auth::Bearer,
    request: Content::Empty,
    body_bytes_max: 0,
    parameters: upload_path,
    answers: &[Answer {
        status: 204,
        content: Content::Empty,
        description: "It is gone.",
    }],
    own_problems: &[ProblemCode::NotFound, ProblemCode::TusVersionUnsupported],
};

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn bytes_up_to_the_limit(minimum: usize) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(minimum))
        .maximum(Some(ATTACHMENT_BYTES_MAX))
}

fn uuid() -> ObjectBuilder {
    text().format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)))
}

fn header(name: &str, description: &str, schema: ObjectBuilder) -> Parameter {
    parameter(ParameterIn::Header, name, description, schema)
}

fn required_header(name: &str, description: &str, schema: ObjectBuilder) -> Parameter {
    let mut header = header(name, description, schema);
    header.required = Required::True;
    header
}

fn attachment_path() -> Vec<Parameter> {
    let digest = text().pattern(Some("^[0-9a-f]{64}$"));
    vec![
        parameter(
            ParameterIn::Path,
            "record",
            "The record's id, in canonical form.",
            uuid(),
        ),
        parameter(
            ParameterIn::Path,
            "sha256",
            "The SHA-256 that the record names.",
            digest,
        ),
        header(
            "Range",
            "One range of bytes, `bytes=FROM-` or `bytes=FROM-TO`, to resume.",
            text(),
        ),
    ]
}

fn tus_resumable() -> Parameter {
    required_header(
        "Tus-Resumable",
        "The version of tus that the client speaks.",
        text().enum_values(Some([TUS_VERSION])),
    )
}

fn checksum() -> Parameter {
    header(
        "Upload-Checksum",
        "`sha256` or `sha1`, a space, and the sum of the body in base64.",
        text()
            .pattern(Some(CHECKSUM_PATTERN))
            .examples([CHECKSUM_OF_NOTHING]),
    )
}

fn creation_headers() -> Vec<Parameter> {
    vec![
        tus_resumable(),
        required_header(
            "Upload-Length",
            "How many bytes there will be.",
            bytes_up_to_the_limit(1),
        ),
        required_header(
            "Upload-Metadata",
            "Comma-separated pairs of a key and a base64 value: `sha256` (hexadecimal, what the change names) and `filetype`.",
            text().pattern(Some(METADATA_PATTERN)),
        ),
        checksum(),
    ]
}

fn upload_path() -> Vec<Parameter> {
    vec![
        parameter(ParameterIn::Path, "upload", "The upload's id.", uuid()),
        tus_resumable(),
    ]
}

fn piece_headers() -> Vec<Parameter> {
    let mut parameters = upload_path();
    parameters.push(required_header(
        "Upload-Offset",
        "Where the body begins in the whole.",
        bytes_up_to_the_limit(0),
    ));
    parameters.push(checksum());
    parameters
}
