//! Stickers for points: a QR code that the district has signed, with the point's name under it. They work without a
//! network; a lost one is revoked in the document of points, by its number.

use crate::language::Language;
use crate::service::district::District;
use crate::service::gridwork::Gridwork;
use crate::service::{Caller, ServiceError};
use qrcode::{Color, EcLevel, QrCode};
use std::fmt::Write as _;
use std::sync::Arc;
use sync_core::change::SigningKey;
use sync_core::directory::Directory;
use sync_core::documents::PatrolPoint;
use sync_core::ids::{DistrictId, PersonId, UnitId};
use sync_core::messages::{self, Catalogue};
use sync_core::patrols::codes::PointCode;

/// Who may have stickers printed: whoever holds one can say that they were there.
const ROLES: [&str; 3] = ["duty_desk", "grid_head", "district_lead"];
/// The white around a QR code, in modules, as its standard asks.
const QUIET: usize = 4;

impl Gridwork {
    pub(super) fn sticker_of(&self, caller: Caller, point: &str) -> Result<String, ServiceError> {
        let district = Arc::clone(self.district_of(&caller)?);
        let (documents, state) = (district.documents(), district.state());
        let found = documents.patrol_routes().point(point);
        let found = found.filter(|point| !point.retired);
        let point = found.ok_or(ServiceError::NotFound)?;
        let unit = state.directory.unit_by_code(&point.unit);
        let unit = unit.ok_or(ServiceError::NotFound)?.unit;
        // Whoever may not print it is not told that it is there.
        if !self.may_print(&state.directory, caller, unit) {
            return Err(ServiceError::NotFound);
        }
        let key = district.keys().head();
        Ok(drawing(district.id(), point, &key.1))
    }

    pub(super) fn stickers_of(
        &self,
        caller: Caller,
        unit: u32,
        language: Language,
    ) -> Result<String, ServiceError> {
        let district = Arc::clone(self.district_of(&caller)?);
        let unit = UnitId(unit);
        if !self.may_print(&district.state().directory, caller, unit) {
            return Err(ServiceError::NotFound);
        }
        sheet(&district, unit, language).map(|(html, _)| html)
    }

    fn may_print(&self, directory: &Directory, caller: Caller, unit: UnitId) -> bool {
        let now_ms = self.clock.wall_ms();
        directory
            .grants(PersonId(caller.person))
            .iter()
            .any(|grant| {
                ROLES.contains(&grant.role.as_str())
                    && grant.holds_within(now_ms, now_ms)
                    && directory.is_within(unit, grant.unit)
            })
    }
}

/// A page with the stickers of all points at or below a unit, and how many they are.
///
/// # Errors
/// That there is no such unit.
pub fn sheet(
    district: &District,
    unit: UnitId,
    language: Language,
) -> Result<(String, usize), ServiceError> {
    let (documents, state) = (district.documents(), district.state());
    let directory = &state.directory;
    let above = directory.unit(unit).ok_or(ServiceError::NotFound)?;
    let is_below = |point: &&PatrolPoint| {
        let unit = directory.unit_by_code(&point.unit);
        unit.is_some_and(|found| directory.is_within(found.unit, above.unit))
    };
    let points = documents.patrol_routes().points.iter();
    let points: Vec<_> = points
        .filter(|point| !point.retired)
        .filter(is_below)
        .collect();
    let key = district.keys().head();
    let texts = Catalogue::of(match language {
        Language::Chinese => messages::Language::Chinese,
        Language::English => messages::Language::English,
    });
    let title = escape(&texts.text("stickers.title", &[("unit", &above.name)]));
    let mut html = format!(
        "<!doctype html>\n<html lang=\"{}\">\n<meta charset=\"utf-8\">\n<title>{title}</title>\n<style>\n\
         body {{ font-family: sans-serif; margin: 1cm }}\nh1 {{ font-size: 14pt }}\n\
         main {{ display: grid; grid-template-columns: repeat(3, 6cm); gap: 3mm }}\n\
         figure {{ margin: 0; padding: 2mm; border: 1px dashed #999; text-align: center; break-inside: avoid }}\n\
         svg {{ width: 5.4cm }}\nfigcaption {{ font-size: 9pt }}\n</style>\n<h1>{title}</h1>\n<main>\n",
        language.tag()
    );
    for point in &points {
        let hint = escape(&texts.text("stickers.hint", &[]));
        let _ = writeln!(
            html,
            "<figure>{}<figcaption>{hint}</figcaption></figure>",
            drawing(district.id(), point, &key.1)
        );
    }
    html.push_str("</main>\n</html>\n");
    Ok((html, points.len()))
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // XML has no way to write them.
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// One sticker as SVG: the code, and under it name, point and number.
fn drawing(district: DistrictId, point: &PatrolPoint, key: &SigningKey) -> String {
    let text = PointCode::sign(district, &point.code, point.serial, key).to_string();
    let code = QrCode::with_error_correction_level(&text, EcLevel::M)
        .expect("BUG: a point's code fits a QR code");
    let (width, colours) = (code.width(), code.to_colors());
    let size = width + 2 * QUIET;
    let mut path = String::new();
    for (row, modules) in colours.chunks(width).enumerate() {
        let mut column = 0;
        while column < width {
            let run = modules[column..]
                .iter()
                .take_while(|module| **module == Color::Dark)
                .count();
            if run > 0 {
                let (x, y) = (column + QUIET, row + QUIET);
                let _ = write!(path, "M{x} {y}h{run}v1h-{run}z");
            }
            column += run.max(1);
        }
    }
    let (middle, height) = (size / 2, size + 9);
    let (name, label) = (
        escape(&point.name),
        escape(&format!("{} · {}", point.code, point.serial)),
    );
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {size} {height}\" role=\"img\" aria-label=\"{name}\">\
         <rect width=\"{size}\" height=\"{height}\" fill=\"#fff\"/><path d=\"{path}\" fill=\"#000\"/>\
         <text x=\"{middle}\" y=\"{}\" font-size=\"4\" text-anchor=\"middle\" font-family=\"sans-serif\">{name}</text>\
         <text x=\"{middle}\" y=\"{}\" font-size=\"3\" text-anchor=\"middle\" font-family=\"monospace\">{label}</text></svg>",
        size + 2,
        size + 6,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sticker_holds_no_markup_out_of_a_name() {
        let point: PatrolPoint = serde_json::from_str(
            r#"{"code":"P-1","name":"东门<script>&\"","unit":"1","serial":3}"#,
        )
        .expect("a point");
        let district = DistrictId(uuid::Uuid::from_u128(1));
        let svg = drawing(district, &point, &SigningKey::from_seed(&[1; 32]));
        assert!(svg.contains("东门&lt;script&gt;&amp;&quot;"), "{svg}");
        assert!(!svg.contains("<script"));
        assert!(svg.contains("P-1 · 3"));
    }
}
