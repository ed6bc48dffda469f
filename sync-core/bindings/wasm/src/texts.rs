//! The words of the page, both languages beside each other, from the one catalogue and the default documents.

use std::collections::BTreeMap;

use serde::Serialize;
use sync_core::documents::Documents;
use sync_core::messages::{Catalogue, Language};
use sync_core::verdict::Problem;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::failure::json;

/// A text in both languages.
#[derive(Debug, Serialize)]
pub struct Words {
    zh: String,
    en: String,
}

/// The text under a key.
pub fn words(key: &str) -> Words {
    Words {
        zh: Catalogue::of(Language::Chinese).text(key, &[]),
        en: Catalogue::of(Language::English).text(key, &[]),
    }
}

/// What a person reads about a problem. A field is called by its name in the catalogue, where it has one; what a problem
/// carries in its limit is named in the catalogue by what it is about.
pub fn problem_words(problem: &Problem) -> Words {
    let key = format!("problem.{}", problem.code.as_str());
    let in_language = |language| {
        let catalogue = Catalogue::of(language);
        let field_key = format!("field.{}", problem.field);
        let field = if catalogue.has(&field_key) {
            catalogue.text(&field_key, &[])
        } else {
            problem.field.clone()
        };
        let named = ["limit", "value", "expected", "to", "state", "min", "max"];
        let mut values: Vec<_> = named.map(|name| (name, problem.limit.as_str())).into();
        values.push(("field", &field));
        catalogue.text(&key, &values)
    };
    Words {
        zh: in_language(Language::Chinese),
        en: in_language(Language::English),
    }
}

/// The texts under these keys (separated by commas), as JSON: key to `{zh, en}`. A key without a text stands for itself.
#[wasm_bindgen]
pub fn texts(keys: &str) -> String {
    let found: BTreeMap<&str, Words> = keys.split(',').map(|key| (key, words(key))).collect();
    json(&found)
}

#[derive(Serialize)]
struct CategoryLine<'a> {
    code: &'a str,
    zh: &'a str,
    en: &'a str,
}

/// The categories of the default catalogue in order of their codes, as JSON: `[{code, zh, en}]`.
#[wasm_bindgen]
pub fn categories() -> String {
    let documents = Documents::defaults();
    let mut lines: Vec<_> = documents
        .categories()
        .map(|category| CategoryLine {
            code: &category.code,
            zh: &category.name.zh,
            en: &category.name.en,
        })
        .collect();
    lines.sort_by_key(|line| line.code);
    json(&lines)
}
