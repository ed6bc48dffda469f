//! The same formats written: what is exported here, the import takes back as the same rows.

use super::people::{PersonRow, export_header};
use super::roles::RoleCatalogue;
use super::text::is_formula_like;
use super::units::UnitRow;
use serde_json::{Value, json};

/// A GeoJSON FeatureCollection of units, one feature a line, in the order given.
pub fn export_units<'a>(units: impl IntoIterator<Item = &'a UnitRow>) -> String {
    let mut text = String::from("{\"type\":\"FeatureCollection\",\"features\":[");
    for (index, unit) in units.into_iter().enumerate() {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        text.push_str(&feature(unit).to_string());
    }
    text.push_str("\n]}\n");
    text
}

fn feature(unit: &UnitRow) -> Value {
    let geometry = if unit.boundary.is_empty() {
        Value::Null
    } else {
        json!({"type": "Polygon", "coordinates": unit.boundary})
    };
    json!({
        "type": "Feature",
        "properties": {
            "code": unit.code,
            "name": unit.name,
            "name_en": unit.name_en,
            "parent": unit.parent_code,
            "kind": unit.kind.as_str(),
        },
        "geometry": geometry,
    })
}

/// A CSV of people, one row a role, with the byte order mark that spreadsheets need to see UTF-8, and roles by
/// their Chinese names. A cell that a spreadsheet would run (no import takes one, but a name may have come
/// another way) gets an apostrophe before it.
pub fn export_people<'a>(
    people: impl IntoIterator<Item = &'a PersonRow>,
    roles: &RoleCatalogue,
) -> String {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    let broken = "BUG: writing to memory failed";
    writer.write_record(export_header()).expect(broken);
    for person in people {
        for (role, unit) in &person.roles {
            let role = roles.find_chinese_name(role).unwrap_or(role);
            let external_id = person.external_id.as_deref().unwrap_or("");
            let cells = [&person.name, role, unit, external_id].map(tame);
            writer.write_record(cells).expect(broken);
        }
    }
    let bytes = writer.into_inner().expect(broken);
    let text = String::from_utf8(bytes).expect("BUG: cells of text gave something else");
    format!("\u{feff}{text}")
}

fn tame(cell: &str) -> String {
    if is_formula_like(cell) {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_that_a_spreadsheet_would_run_is_tamed() {
        let roles =
            RoleCatalogue::from_document(include_str!("../../../sync-core/documents/roles.json"))
                .expect("the default document");
        let person = PersonRow {
            name: "=1+1,\"x\"".into(),
            external_id: None,
            roles: vec![("worker".into(), "440399".into())],
        };
        let text = export_people([&person], &roles);
        assert_eq!(
            text,
            "\u{feff}姓名,角色,单位编码,外部编号\r\n\"'=1+1,\"\"x\"\"\",网格员,440399,\r\n"
        );
    }
}
