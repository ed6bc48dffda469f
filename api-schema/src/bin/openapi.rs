//! Writes `api-schema/openapi.json` anew from the endpoint table.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    std::fs::write(path, api_schema::openapi::document_json())
}
