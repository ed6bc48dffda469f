//! Hostile and ordinary files of people.

use super::*;

fn parse(bytes: impl AsRef<[u8]>) -> Parsed<PersonRow> {
    let roles =
        RoleCatalogue::from_document(include_str!("../../../sync-core/documents/roles.json"))
            .expect("the default document");
    let units = ["440399", "440399.001", "440399.001.001.001"]
        .map(str::to_owned)
        .into();
    parse_people(bytes.as_ref(), &roles, &units)
}

fn found(parsed: &Parsed<PersonRow>) -> Vec<(u64, Option<&'static str>, Reason)> {
    let line = |place| match place {
        Place::Line { line } => line,
        _ => 0,
    };
    parsed
        .findings
        .iter()
        .map(|found| (line(found.place), found.field, found.reason))
        .collect()
}

#[test]
fn people_are_read_with_chinese_or_english_headers_with_or_without_a_mark() {
    let chinese = "姓名,角色,单位编码,外部编号\r\n王小明,网格员,440399.001.001.001,P1\r\n王小明,网格长,440399.001,P1\r\n";
    let english = "External_ID,unit,role,name\nP1,440399.001.001.001,worker,王小明\nP1,440399.001,Grid head,王小明";
    let expected = PersonRow {
        name: "王小明".into(),
        external_id: Some("P1".into()),
        roles: vec![
            ("worker".into(), "440399.001.001.001".into()),
            ("grid_head".into(), "440399.001".into()),
        ],
    };
    for text in [
        chinese.to_owned(),
        english.to_owned(),
        format!("\u{feff}{chinese}"),
    ] {
        let parsed = parse(&text);
        assert_eq!(parsed.findings, [], "{text}");
        assert_eq!(parsed.rows, std::slice::from_ref(&expected));
    }
}

#[test]
fn every_fault_of_every_line_is_told_at_once() {
    let parsed = parse(
        "name,role,unit,external_id\n\
         \"=cmd|' /C calc'!A0\",国王,440399.404,@x\n\
         \n\
         ,worker,440399,\n\
         李\0梅,worker,440399,\n\
         张三,worker\n\
         张三,worker,440399,\n",
    );
    assert_eq!(
        found(&parsed),
        [
            (2, Some("name"), Reason::FormulaLike),
            (2, Some("external_id"), Reason::FormulaLike),
            (2, Some("role"), Reason::RoleUnknown),
            (2, Some("unit"), Reason::UnitUnknown),
            (4, Some("name"), Reason::Required),
            (5, Some("name"), Reason::ControlCharacter),
            (6, None, Reason::CellsMissing),
        ]
    );
    assert!(!parsed.is_acceptable());
    assert_eq!(parsed.rows.len(), 1);
    let repeats_a_name = |found: &Finding| found.field == Some("name") && found.value.is_some();
    assert!(
        !parsed.findings.iter().any(repeats_a_name),
        "a finding never repeats a person's name"
    );
}

#[test]
fn one_external_id_is_one_person_and_one_name_is_not() {
    let parsed = parse(
        "name,role,unit,external_id\n王伟,worker,440399,P1\n王薇,worker,440399.001,P1\n王伟,worker,440399,P1\n\
         李娜,worker,440399,\n李娜,verifier,440399,\n李娜,worker,440399,\n",
    );
    assert_eq!(
        found(&parsed),
        [
            (3, Some("name"), Reason::NameDiffers),
            (4, Some("role"), Reason::RoleDuplicate),
            (6, Some("name"), Reason::NameShared),
            (7, Some("role"), Reason::RoleDuplicate),
        ]
    );
    assert_eq!(parsed.findings[0].limit, Some(2));
    assert_eq!(parsed.rows.len(), 3);
}

#[test]
fn headers_that_cannot_be_used_are_told() {
    assert_eq!(
        found(&parse("")),
        [
            (1, Some("name"), Reason::ColumnMissing),
            (1, Some("role"), Reason::ColumnMissing),
            (1, Some("unit"), Reason::ColumnMissing),
        ]
    );
    assert_eq!(
        found(&parse("姓名,name,role,unit\na,b,worker,440399")),
        [(1, Some("name"), Reason::ColumnTwice)]
    );
    let parsed = parse("姓名,role,unit,生肖,\n王伟,worker,440399,马,");
    assert_eq!(found(&parsed), [(1, None, Reason::ColumnUnknown)]);
    assert!(parsed.is_acceptable());
    assert_eq!(parsed.rows.len(), 1);
}

#[test]
fn foreign_encodings_and_giants_are_refused() {
    // "姓名" in GBK, as a spreadsheet saves it unless told otherwise; and UTF-16.
    for bytes in [
        &b"name,role,unit\n\xd0\xd5\xc3\xfb,worker,440399"[..],
        b"\xff\xfen\0",
    ] {
        assert_eq!(parse(bytes).findings[0].reason, Reason::NotUtf8);
    }
    assert_eq!(
        parse(b"name,role,unit\n\xd0\xd5,worker,440399").findings[0].place,
        Place::Line { line: 2 }
    );
    assert_eq!(
        parse(vec![b'a'; PEOPLE_FILE_BYTES_MAX + 1]).findings[0].reason,
        Reason::FileTooLarge
    );
    let many = "王伟,worker,440399,\n".repeat(PEOPLE_ROWS_MAX + 1);
    let parsed = parse(format!("name,role,unit,external_id\n{many}"));
    assert_eq!(parsed.findings[0].reason, Reason::TooManyRows);
    let long = "长".repeat(NAME_CHARS_MAX + 1);
    let parsed = parse(format!("name,role,unit\n{long},worker,440399\n"));
    assert_eq!(found(&parsed), [(2, Some("name"), Reason::TooLong)]);
    assert_eq!(parsed.findings[0].limit, Some(NAME_CHARS_MAX as u64));
}

#[test]
fn a_quote_that_is_never_closed_ends_in_a_finding() {
    let parsed = parse("name,role,unit\n\"王伟,worker,440399\n李娜,worker,440399\n");
    assert_eq!(found(&parsed), [(2, None, Reason::CellsMissing)]);
    assert_eq!(parsed.rows, []);
}

#[test]
fn no_cut_of_a_sound_file_makes_the_reader_panic() {
    let text = "\u{feff}姓名,角色,单位编码,外部编号\r\n\"王,小\"\"明\",网格员,440399.001,P1\r\n";
    for end in 0..text.len() {
        let parsed = parse(&text.as_bytes()[..end]);
        assert!(parsed.rows.len() <= 1);
    }
}
