//! What fuzzing starts from: small files for each target, made here and kept in `tests/fuzz/corpus`.

use server::demo::Dice;
use std::path::PathBuf;
use sync_core::documents::DEFAULTS;
use sync_core::hex;
use sync_core::kinds;

/// Streams of choices for a target that takes bytes as choices.
const STREAMS: u64 = 24;

/// Where a target's files are kept.
pub fn folder(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target)
}

/// The files of a target, by name.
///
/// # Errors
/// The golden files cannot be read.
pub fn corpus(target: &str) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    Ok(match target {
        "changes" => changes()?,
        "messages" => golden(|_| true)?
            .into_iter()
            .flat_map(|(name, bytes)| {
                let body = bytes.get(4..bytes.len().saturating_sub(8));
                let framed = [&[0], body.unwrap_or_default()].concat();
                [(format!("{name}-body"), framed), (name, bytes)]
            })
            .collect(),
        "payloads" => payloads(),
        "units" => units(),
        "people" => people(),
        "documents" => documents(),
        _ => streams(),
    })
}

fn golden(wanted: impl Fn(&str) -> bool) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        if path.extension().is_none_or(|ending| ending != "hex") || !wanted(&name) {
            continue;
        }
        let text: String = std::fs::read_to_string(&path)?.split_whitespace().collect();
        files.extend(hex::decode(&text).map(|bytes| (name.into_owned(), bytes)));
    }
    files.sort();
    Ok(files)
}

fn changes() -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut files = golden(|name| name.starts_with("header"))?;
    for (name, bytes) in golden(|name| name == "batch")? {
        for count in 1..=4 {
            files.push((format!("{name}-{count}"), [&[count], &bytes[..]].concat()));
        }
    }
    Ok(files)
}

fn payloads() -> Vec<(String, Vec<u8>)> {
    let place = r#"{"latitude_e7":225000100,"longitude_e7":1140000100,"accuracy_m":5}"#;
    let bodies = [
        format!(r#"{{"category":"SAN-01","title":"a","description":"b","place":{place}}}"#),
        r#"{"to":"REGISTERED","level":"III","reason":"x","due_ms":1795386600000}"#.to_owned(),
        r#"{"outcome":"done","purpose":"care","note":"n"}"#.to_owned(),
        r#"{"unit":8,"reason":"r","text":"t","team":"T01","slot":"A","point":"P01"}"#.to_owned(),
    ];
    let mut files = Vec::new();
    for (index, intent) in kinds::all().enumerate() {
        let body = &bodies[index % bodies.len()];
        let bytes = [&[index as u8], body.as_bytes()].concat();
        files.push((intent.name.to_owned(), bytes));
    }
    files
}

fn streams() -> Vec<(String, Vec<u8>)> {
    (0..STREAMS)
        .map(|seed| {
            let mut dice = Dice::new(seed);
            let count = 1 + dice.below(40);
            let bytes = (0..count).map(|_| dice.next_u64() as u8).collect();
            (format!("choices-{seed:02}"), bytes)
        })
        .collect()
}

/// What ships, but for the long ones.
fn documents() -> Vec<(String, Vec<u8>)> {
    let small = DEFAULTS.iter().filter(|(_, text)| text.len() < 8_000);
    small
        .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()))
        .collect()
}

fn units() -> Vec<(String, Vec<u8>)> {
    let square = r#"{"type":"Polygon","coordinates":[[[115,22],[115.1,22],[115.1,22.1],[115,22.1],[115,22]]]}"#;
    let many =
        r#"{"type":"MultiPolygon","coordinates":[[[[115,22],[115.1,22],[115.1,22.1],[115,22]]]]}"#;
    let feature = |code: &str, kind: &str, geometry: &str| {
        let parent = code.rsplit_once('.').map_or("", |(parent, _)| parent);
        format!(
            r#"{{"type":"Feature","geometry":{geometry},"properties":{{"code":"{code}","name":"单位","parent":"{parent}","kind":"{kind}"}}}}"#
        )
    };
    let file = |features: &[String]| {
        let list = features.join(",\n");
        format!("{{\"type\":\"FeatureCollection\",\"features\":[\n{list}\n]}}").into_bytes()
    };
    let mut files = vec![
        ("empty".to_owned(), file(&[])),
        (
            "tree".to_owned(),
            file(&[
                feature("440399.001.001", "community", square),
                feature("440399.001", "town", square),
            ]),
        ),
    ];
    for (name, kind, geometry) in [
        ("town", "town", square),
        ("department", "department", "null"),
        ("many", "town", many),
    ] {
        files.push((
            name.to_owned(),
            file(&[feature("440399.002", kind, geometry)]),
        ));
    }
    files
}

fn people() -> Vec<(String, Vec<u8>)> {
    [
        (
            "chinese",
            "姓名,角色,单位编码,外部编号\r\n王小明,网格员,440399.001,P1\r\n",
        ),
        (
            "english",
            "External_ID,unit,role,name\nP1,440399.001.001,worker,A\n",
        ),
        (
            "quoted",
            "name,role,unit\n\"A, \"\"B\"\"\",worker,440399.001\n",
        ),
        ("marked", "\u{feff}name,role,unit\nA,Grid head,440399\n"),
        (
            "two roles",
            "name,role,unit,external_id\nA,worker,440399.001,1\nA,worker,440399,1\n",
        ),
        ("formula", "name,role,unit\n=A1,worker,440399\n"),
    ]
    .map(|(name, text)| (name.replace(' ', "-"), text.as_bytes().to_vec()))
    .into()
}
