//! What an import found wrong: where, in which field, why. Wording lives in the message catalogue.

use super::limits::{EXCERPT_CHARS_MAX, FINDINGS_MAX};

/// Whether a finding keeps the file from being taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file is not taken.
    Error,
    /// The file may be taken; a person should look.
    Warning,
}

/// Where in the file a finding stands. Ordered as the file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The file as a whole.
    File,
    /// A line of a CSV file, from 1 (the header, as a rule).
    Line {
        /// The line, from 1.
        line: u64,
    },
    /// A feature of a GeoJSON file.
    Feature {
        /// The feature, from 1.
        index: u64,
        /// The line of the file where it begins, from 1.
        line: u64,
    },
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident => $key:literal,)*) => {
        /// Why something was found wrong. Each has one key in the message catalogue.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// Every reason there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The key of the sentence in the message catalogue; it may use `{field}`, `{value}` and `{limit}`.
            pub fn message_key(self) -> &'static str {
                match self {
                    $(Self::$name => concat!("import.", $key),)*
                }
            }
        }
    };
}

reasons! {
    /// The bytes are not UTF-8.
    NotUtf8 => "not_utf8",
    /// More bytes than the limit.
    FileTooLarge => "file_too_large",
    /// More rows than the limit.
    TooManyRows => "too_many_rows",
    /// More units than the limit.
    TooManyUnits => "too_many_units",
    /// More findings than are listed.
    TooManyFindings => "too_many_findings",
    /// Not JSON, or nested too deep.
    NotJson => "not_json",
    /// JSON, but not a FeatureCollection.
    NotFeatureCollection => "not_feature_collection",
    /// An item that is not a Feature.
    NotAFeature => "not_a_feature",
    /// A feature of more bytes than the limit.
    FeatureTooLarge => "feature_too_large",
    /// Coordinates that are not WGS-84.
    ForeignCoordinateSystem => "foreign_coordinate_system",
    /// A line that is not CSV.
    NotCsv => "not_csv",
    /// A column that is needed.
    ColumnMissing => "column_missing",
    /// A column given twice.
    ColumnTwice => "column_twice",
    /// A column nobody knows; left out.
    ColumnUnknown => "column_unknown",
    /// A row with more or fewer cells than the header.
    CellsMissing => "cells_missing",
    /// An empty field that is needed.
    Required => "required",
    /// A field of another type.
    WrongType => "wrong_type",
    /// More characters than the limit.
    TooLong => "too_long",
    /// A control or invisible character.
    ControlCharacter => "control_character",
    /// Text that a spreadsheet would run.
    FormulaLike => "formula_like",
    /// A code of another form.
    CodeMalformed => "code_malformed",
    /// A code given twice.
    CodeDuplicate => "code_duplicate",
    /// A code that is not its parent's and one part more.
    CodeNotUnderParent => "code_not_under_parent",
    /// No such kind of unit.
    KindUnknown => "kind_unknown",
    /// A known code with another kind.
    KindChanged => "kind_changed",
    /// A kind that may not stand under that parent.
    KindNotUnderParent => "kind_not_under_parent",
    /// No parent, and not the district.
    ParentMissing => "parent_missing",
    /// A parent that is nowhere.
    ParentUnknown => "parent_unknown",
    /// A parent in the file that has errors itself.
    ParentFaulty => "parent_faulty",
    /// A district beside the one there is.
    SecondDistrict => "second_district",
    /// No boundary where one is needed.
    GeometryMissing => "geometry_missing",
    /// Not one polygon.
    GeometryUnsupported => "geometry_unsupported",
    /// Coordinates of another shape.
    RingMalformed => "ring_malformed",
    /// More rings than the limit.
    TooManyRings => "too_many_rings",
    /// More vertices than the limit.
    TooManyVertices => "too_many_vertices",
    /// Fewer than four points.
    RingTooShort => "ring_too_short",
    /// The last point is not the first.
    RingUnclosed => "ring_unclosed",
    /// Not a longitude and a latitude.
    CoordinateOutOfRange => "coordinate_out_of_range",
    /// Rings that cross, touch or run over themselves or one another.
    SelfIntersection => "self_intersection",
    /// A ring around nothing.
    NoArea => "no_area",
    /// A hole outside the outer ring or inside another hole.
    HoleOutside => "hole_outside",
    /// A boundary that does not meet its parent's.
    FarFromParent => "far_from_parent",
    /// The same point twice running; dropped.
    RepeatedVertex => "repeated_vertex",
    /// No such role.
    RoleUnknown => "role_unknown",
    /// No such unit.
    UnitUnknown => "unit_unknown",
    /// The same role of the same person on the same unit twice.
    RoleDuplicate => "role_duplicate",
    /// One external id, two names.
    NameDiffers => "name_differs",
    /// Two rows of one name without external id.
    NameShared => "name_shared",
    /// No document has this name.
    DocumentUnknown => "document_unknown",
    /// Not what the schema of the document asks for.
    DocumentNotOfSchema => "document_not_of_schema",
    /// What the document says cannot be.
    DocumentWrong => "document_wrong",
    /// Not the version after the last one.
    VersionNotNext => "version_not_next",
    /// A day that no calendar has.
    NoSuchDay => "no_such_day",
    /// A code or step that is there twice.
    CodeTwice => "code_twice",
    /// A code of the version before that is gone.
    CodeRemoved => "code_removed",
    /// A state that the table has not.
    StateUnknown => "state_unknown",
    /// A code that no document defines.
    CodeUnknown => "code_unknown",
    /// A field that a rule of this kind needs.
    FieldMissingForKind => "field_missing_for_kind",
    /// An end before its beginning, a part greater than its whole.
    OrderWrong => "order_wrong",
    /// A condition that nobody knows or explains.
    GuardUnknown => "guard_unknown",
    /// An intent that nobody knows.
    IntentUnknown => "intent_unknown",
    /// A kind of record that nobody knows, or another one than the document is for.
    RecordKindUnknown => "record_kind_unknown",
    /// A level that the document has not.
    LevelUnknown => "level_unknown",
    /// A state without a way in or out, or a step for nobody.
    WorkflowDeadEnd => "workflow_dead_end",
    /// Somebody may verify what they did themselves.
    WorkflowSelfVerification => "workflow_self_verification",
    /// A case may be closed around a step.
    WorkflowBypass => "workflow_bypass",
}

/// One thing found wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether it keeps the file from being taken.
    pub severity: Severity,
    /// Where it stands.
    pub place: Place,
    /// The column or field, as this format calls it.
    pub field: Option<&'static str>,
    /// Why.
    pub reason: Reason,
    /// What stood there, cut short and with invisible characters spelled out; never a person's name.
    pub value: Option<String>,
    /// The limit that was passed, or the place of the first of two.
    pub limit: Option<u64>,
}

impl Finding {
    /// An error at a place.
    pub fn error(place: Place, reason: Reason) -> Self {
        Self {
            severity: Severity::Error,
            place,
            field: None,
            reason,
            value: None,
            limit: None,
        }
    }

    /// A warning at a place.
    pub fn warning(place: Place, reason: Reason) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(place, reason)
        }
    }

    /// With the column or field.
    pub fn field(mut self, field: &'static str) -> Self {
        self.field = Some(field);
        self
    }

    /// With an excerpt of what stood there.
    pub fn value(mut self, value: impl AsRef<str>) -> Self {
        self.value = Some(excerpt(value.as_ref()));
        self
    }

    /// With the limit that was passed, or the place of the first of two.
    pub fn limit(mut self, limit: impl TryInto<u64>) -> Self {
        self.limit = limit.try_into().ok();
        self
    }
}

/// The first characters of outside text, safe to print on a terminal and in a page.
fn excerpt(text: &str) -> String {
    let mut characters = text.chars();
    let mut short = String::new();
    for character in characters.by_ref().take(EXCERPT_CHARS_MAX) {
        if super::text::is_invisible(character) {
            short.extend(character.escape_unicode());
        } else {
            short.push(character);
        }
    }
    if characters.next().is_some() {
        short.push('…');
    }
    short
}

/// What a file said: the rows without errors, and everything found wrong, in the order of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed<Row> {
    /// The rows that have no errors.
    pub rows: Vec<Row>,
    /// What was found, at most [`FINDINGS_MAX`] and one that counts the rest.
    pub findings: Vec<Finding>,
}

impl<Row> Parsed<Row> {
    /// Whether the file may be taken: nothing found is an error.
    pub fn is_acceptable(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.severity != Severity::Error)
    }
}

/// Collects findings up to the limit and counts the rest.
#[derive(Debug, Default)]
pub(super) struct Findings {
    list: Vec<Finding>,
    omitted: u64,
    omitted_error: bool,
}

impl Findings {
    pub(super) fn push(&mut self, finding: Finding) {
        if self.list.len() < FINDINGS_MAX {
            self.list.push(finding);
        } else {
            self.omitted += 1;
            self.omitted_error |= finding.severity == Severity::Error;
        }
    }

    /// Ends the reading: the findings in the order of the file, beside the rows.
    pub(super) fn into_parsed<Row>(self, rows: Vec<Row>) -> Parsed<Row> {
        let mut findings = self.list;
        findings.sort_by_key(|finding| finding.place);
        if self.omitted > 0 {
            let mut last = Finding::warning(Place::File, Reason::TooManyFindings)
                .value(self.omitted.to_string());
            if self.omitted_error {
                last.severity = Severity::Error;
            }
            findings.push(last);
        }
        Parsed { rows, findings }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn every_reason_is_worded_in_both_languages_with_known_placeholders() {
        for catalogue in [
            include_str!("../../../sync-core/messages/zh.json"),
            include_str!("../../../sync-core/messages/en.json"),
        ] {
            let messages: BTreeMap<String, String> =
                serde_json::from_str(catalogue).expect("a flat object of texts");
            for reason in Reason::ALL {
                let text = messages
                    .get(reason.message_key())
                    .unwrap_or_else(|| panic!("no text for {reason:?}"));
                let known = text
                    .replace("{field}", "")
                    .replace("{value}", "")
                    .replace("{limit}", "");
                assert!(!known.contains(['{', '}']), "{text}");
            }
            let worded = messages
                .keys()
                .filter(|key| key.starts_with("import."))
                .count();
            assert_eq!(worded, Reason::ALL.len(), "a text that no reason uses");
        }
    }

    #[test]
    fn findings_beyond_the_limit_are_counted_and_still_refuse_the_file() {
        let mut findings = Findings::default();
        for _ in 0..FINDINGS_MAX {
            findings.push(Finding::warning(Place::File, Reason::ColumnUnknown));
        }
        findings.push(Finding::error(Place::File, Reason::Required));
        let parsed = findings.into_parsed(Vec::<()>::new());
        assert_eq!(parsed.findings.len(), FINDINGS_MAX + 1);
        assert_eq!(parsed.findings[FINDINGS_MAX].value.as_deref(), Some("1"));
        assert!(!parsed.is_acceptable());
    }

    #[test]
    fn an_excerpt_is_short_and_shows_what_is_invisible() {
        let finding = Finding::error(Place::File, Reason::NotJson)
            .value(format!("a\u{202e}\n{}", "长".repeat(500)));
        let value = finding.value.expect("an excerpt");
        assert!(value.starts_with("a\\u{202e}\\u{a}长"));
        assert!(value.ends_with('…'));
        assert!(value.chars().count() < 80);
    }
}
