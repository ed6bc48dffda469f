//! A CSV of people and their roles: one row a role, rows of one external id are one person.

use super::finding::{Finding, Findings, Parsed, Place, Reason};
use super::limits::{
    CODE_CHARS_MAX, EXTERNAL_ID_CHARS_MAX, NAME_CHARS_MAX, PEOPLE_FILE_BYTES_MAX, PEOPLE_ROWS_MAX,
};
use super::roles::RoleCatalogue;
use super::text::{decode_utf8, line_at, take_text};
use csv::StringRecord;
use std::collections::{BTreeMap, BTreeSet};

/// A person as a file gives them; the permanent number comes with their admission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonRow {
    /// The name.
    pub name: String,
    /// The identifier that another system gave, such as a staff number.
    pub external_id: Option<String>,
    /// The codes of roles and of the units on which they are held, in the order of the file.
    pub roles: Vec<(String, String)>,
}

/// A column: the name it has in findings, and what a header may call it. The first is written by exports.
struct Column {
    field: &'static str,
    headers: &'static [&'static str],
    is_needed: bool,
}

const NAME: usize = 0;
const ROLE: usize = 1;
const UNIT: usize = 2;
const EXTERNAL_ID: usize = 3;
const COLUMNS: [Column; 4] = [
    Column {
        field: "name",
        headers: &["姓名", "人员姓名", "name"],
        is_needed: true,
    },
    Column {
        field: "role",
        headers: &["角色", "岗位", "role"],
        is_needed: true,
    },
    Column {
        field: "unit",
        headers: &["单位编码", "单位", "unit", "unit_code"],
        is_needed: true,
    },
    Column {
        field: "external_id",
        headers: &["外部编号", "工号", "external_id"],
        is_needed: false,
    },
];

/// The header that an export writes.
pub(super) fn export_header() -> [&'static str; 4] {
    COLUMNS.map(|column| column.headers[0])
}

/// One row without faults.
struct Row {
    line: u64,
    name: String,
    role: String,
    unit: String,
    external_id: Option<String>,
}

/// Reads a file of people. Units are told by the codes that the district knows. Rows without an external id
/// are people of their own: two of one name are never taken for one. Never panics, whatever the bytes.
pub fn parse_people(
    bytes: &[u8],
    roles: &RoleCatalogue,
    unit_codes: &BTreeSet<String>,
) -> Parsed<PersonRow> {
    let mut findings = Findings::default();
    let rows = read_rows(bytes, roles, unit_codes, &mut findings);
    let people = gather_people(rows, &mut findings);
    findings.into_parsed(people)
}

fn read_rows(
    bytes: &[u8],
    roles: &RoleCatalogue,
    unit_codes: &BTreeSet<String>,
    findings: &mut Findings,
) -> Vec<Row> {
    if bytes.len() > PEOPLE_FILE_BYTES_MAX {
        findings
            .push(Finding::error(Place::File, Reason::FileTooLarge).limit(PEOPLE_FILE_BYTES_MAX));
        return Vec::new();
    }
    let text = match decode_utf8(bytes) {
        Ok(text) => text,
        Err(line) => {
            findings.push(Finding::error(Place::Line { line }, Reason::NotUtf8));
            return Vec::new();
        }
    };
    read_records(text, roles, unit_codes, findings)
}

fn read_records(
    text: &str,
    roles: &RoleCatalogue,
    unit_codes: &BTreeSet<String>,
    findings: &mut Findings,
) -> Vec<Row> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut lines = LineCounter::new(text);
    let mut sheet: Option<Sheet<'_>> = None;
    let mut rows = Vec::new();
    // The first record is the header.
    for (index, record) in reader.records().enumerate() {
        if index > PEOPLE_ROWS_MAX {
            findings.push(Finding::error(Place::File, Reason::TooManyRows).limit(PEOPLE_ROWS_MAX));
            break;
        }
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(1, csv::Position::line);
                let finding = Finding::error(Place::Line { line }, Reason::NotCsv);
                findings.push(finding.value(error.to_string()));
                continue;
            }
        };
        let line = lines.line_of(&record);
        match &sheet {
            None => {
                let cells = record.len();
                let Some(places) = read_header(&record, line, findings) else {
                    return rows;
                };
                sheet = Some(Sheet {
                    cells,
                    places,
                    roles,
                    unit_codes,
                });
            }
            Some(sheet) if record.iter().any(|cell| !cell.trim().is_empty()) => {
                rows.extend(sheet.read_row(&record, line, findings));
            }
            Some(_) => {}
        }
    }
    if sheet.is_none() {
        read_header(&StringRecord::new(), 1, findings);
    }
    rows
}

/// Which cell of a row holds which column; `None` when a needed one is missing or one is there twice.
fn read_header(
    header: &StringRecord,
    line: u64,
    findings: &mut Findings,
) -> Option<[Option<usize>; 4]> {
    let place = Place::Line { line };
    let mut places = [None; 4];
    let mut is_usable = true;
    for (cell, title) in header.iter().enumerate() {
        let title = title.trim();
        let known = COLUMNS.iter().position(|column| {
            column
                .headers
                .iter()
                .any(|header| header.eq_ignore_ascii_case(title))
        });
        match known {
            Some(column) if places[column].is_some() => {
                findings
                    .push(Finding::error(place, Reason::ColumnTwice).field(COLUMNS[column].field));
                is_usable = false;
            }
            Some(column) => places[column] = Some(cell),
            None if title.is_empty() => {}
            None => findings.push(Finding::warning(place, Reason::ColumnUnknown).value(title)),
        }
    }
    for (column, found) in COLUMNS.iter().zip(places) {
        if column.is_needed && found.is_none() {
            findings.push(Finding::error(place, Reason::ColumnMissing).field(column.field));
            is_usable = false;
        }
    }
    is_usable.then_some(places)
}

/// Tells the line on which a record begins. The reader's own count stops short of empty lines before it.
struct LineCounter<'a> {
    text: &'a [u8],
    offset: usize,
    line: u64,
}

impl<'a> LineCounter<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text: text.as_bytes(),
            offset: 0,
            line: 1,
        }
    }

    /// Takes records in the order of the file only.
    fn line_of(&mut self, record: &StringRecord) -> u64 {
        let after_the_last = record
            .position()
            .map_or(0, |position| position.byte() as usize);
        let rest = self.text.get(after_the_last..).unwrap_or_default();
        let empty_bytes = rest
            .iter()
            .take_while(|byte| matches!(byte, b'\r' | b'\n'))
            .count();
        let start = after_the_last + empty_bytes;
        let passed = self.text.get(self.offset..start).unwrap_or_default();
        self.line += line_at(passed, passed.len()) - 1;
        self.offset = start;
        self.line
    }
}

/// A file whose header was understood, and what its cells may name.
struct Sheet<'a> {
    cells: usize,
    places: [Option<usize>; 4],
    roles: &'a RoleCatalogue,
    unit_codes: &'a BTreeSet<String>,
}

impl Sheet<'_> {
    fn read_row(&self, record: &StringRecord, line: u64, findings: &mut Findings) -> Option<Row> {
        let place = Place::Line { line };
        if record.len() != self.cells {
            let value = format!("{} / {}", record.len(), self.cells);
            findings.push(Finding::error(place, Reason::CellsMissing).value(value));
            return None;
        }
        let cell = |column: usize| {
            self.places[column]
                .and_then(|cell| record.get(cell))
                .unwrap_or("")
        };
        let mut take = |column: usize, chars_max: usize| {
            take_text(
                cell(column),
                place,
                COLUMNS[column].field,
                chars_max,
                findings,
            )
        };
        let name = take(NAME, NAME_CHARS_MAX);
        let role = take(ROLE, NAME_CHARS_MAX);
        let unit = take(UNIT, CODE_CHARS_MAX);
        let external_id = match cell(EXTERNAL_ID).trim() {
            "" => Some(None),
            _ => take(EXTERNAL_ID, EXTERNAL_ID_CHARS_MAX).map(Some),
        };
        let role = role.and_then(|role| {
            let code = self.roles.find_code(&role).map(str::to_owned);
            if code.is_none() {
                findings.push(
                    Finding::error(place, Reason::RoleUnknown)
                        .field(COLUMNS[ROLE].field)
                        .value(&role),
                );
            }
            code
        });
        let unit = unit.filter(|unit| {
            let is_known = self.unit_codes.contains(unit);
            if !is_known {
                findings.push(
                    Finding::error(place, Reason::UnitUnknown)
                        .field(COLUMNS[UNIT].field)
                        .value(unit),
                );
            }
            is_known
        });
        Some(Row {
            line,
            name: name?,
            role: role?,
            unit: unit?,
            external_id: external_id?,
        })
    }
}

/// Puts the rows of one external id together, in the order in which people first appear.
fn gather_people(rows: Vec<Row>, findings: &mut Findings) -> Vec<PersonRow> {
    let mut people: Vec<PersonRow> = Vec::new();
    let mut first_line: Vec<u64> = Vec::new();
    let mut by_external_id: BTreeMap<String, usize> = BTreeMap::new();
    let mut unnamed_elsewhere: BTreeMap<String, u64> = BTreeMap::new();
    let mut role_lines: BTreeMap<(String, String, String, String), u64> = BTreeMap::new();
    for Row {
        line,
        name,
        role,
        unit,
        external_id,
    } in rows
    {
        let place = Place::Line { line };
        let identity = external_id.clone().unwrap_or_default();
        let role_key = (identity, name.clone(), role.clone(), unit.clone());
        if let Some(first) = role_lines.get(&role_key) {
            findings.push(
                Finding::error(place, Reason::RoleDuplicate)
                    .field(COLUMNS[ROLE].field)
                    .limit(*first),
            );
            continue;
        }
        role_lines.insert(role_key, line);
        let Some(external_id) = external_id else {
            if let Some(first) = unnamed_elsewhere.get(&name) {
                findings.push(
                    Finding::warning(place, Reason::NameShared)
                        .field(COLUMNS[NAME].field)
                        .limit(*first),
                );
            } else {
                unnamed_elsewhere.insert(name.clone(), line);
            }
            people.push(PersonRow {
                name,
                external_id: None,
                roles: vec![(role, unit)],
            });
            first_line.push(line);
            continue;
        };
        match by_external_id.get(&external_id) {
            Some(index) if people[*index].name == name => people[*index].roles.push((role, unit)),
            Some(index) => {
                let finding = Finding::error(place, Reason::NameDiffers).field(COLUMNS[NAME].field);
                findings.push(finding.value(external_id).limit(first_line[*index]));
            }
            None => {
                by_external_id.insert(external_id.clone(), people.len());
                people.push(PersonRow {
                    name,
                    external_id: Some(external_id),
                    roles: vec![(role, unit)],
                });
                first_line.push(line);
            }
        }
    }
    people
}

#[cfg(test)]
#[path = "people_tests.rs"]
mod tests;
