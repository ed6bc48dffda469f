//! The message catalogue: every text that a person reads, in Chinese and English, under one key each.

use std::collections::BTreeMap;
use std::sync::OnceLock;

/// A language of the product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// The first language of every screen.
    #[default]
    Chinese,
    /// The second.
    English,
}

/// The texts of one language.
#[derive(Debug)]
pub struct Catalogue {
    texts: BTreeMap<String, String>,
}

impl Catalogue {
    /// The catalogue of a language.
    pub fn of(language: Language) -> &'static Self {
        static CHINESE: OnceLock<Catalogue> = OnceLock::new();
        static ENGLISH: OnceLock<Catalogue> = OnceLock::new();
        match language {
            Language::Chinese => {
                CHINESE.get_or_init(|| Self::read(include_str!("../messages/zh.json")))
            }
            Language::English => {
                ENGLISH.get_or_init(|| Self::read(include_str!("../messages/en.json")))
            }
        }
    }

    fn read(text: &str) -> Self {
        Self {
            texts: serde_json::from_str(text).expect("BUG: a message catalogue does not parse"),
        }
    }

    /// The text under a key, with `{name}` replaced by the value of that name; the key itself when there is none.
    pub fn text(&self, key: &str, values: &[(&str, &str)]) -> String {
        let Some(text) = self.texts.get(key) else {
            return key.to_owned();
        };
        values.iter().fold(text.clone(), |text, (name, value)| {
            text.replace(&format!("{{{name}}}"), value)
        })
    }

    /// Whether there is a text under a key.
    pub fn has(&self, key: &str) -> bool {
        self.texts.contains_key(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::ProblemCode;

    #[test]
    fn every_problem_has_a_text_in_both_languages() {
        for language in [Language::Chinese, Language::English] {
            let missing: Vec<_> = ProblemCode::ALL
                .iter()
                .map(|code| format!("problem.{}", code.as_str()))
                .filter(|key| !Catalogue::of(language).has(key))
                .collect();
            assert!(missing.is_empty(), "{language:?} {missing:?}");
        }
    }

    #[test]
    fn every_state_word_and_next_step_has_a_text_in_both_languages() {
        use crate::words::{NextStep, StateWord};
        let words = StateWord::ALL.map(StateWord::message_key);
        let steps = NextStep::ALL.map(NextStep::message_key);
        for language in [Language::Chinese, Language::English] {
            let keys = words.iter().chain(&steps);
            let missing: Vec<_> = keys
                .filter(|key| !Catalogue::of(language).has(key))
                .collect();
            assert!(missing.is_empty(), "{language:?} {missing:?}");
        }
    }

    #[test]
    fn both_languages_have_the_same_keys() {
        let keys = |language| Catalogue::of(language).texts.keys().collect::<Vec<_>>();
        assert_eq!(keys(Language::Chinese), keys(Language::English));
    }

    #[test]
    fn names_are_replaced_by_their_values() {
        let text = Catalogue::of(Language::English)
            .text("problem.too_long", &[("limit", "100"), ("field", "title")]);
        assert!(text.contains("100") && !text.contains('{'), "{text}");
        assert_eq!(
            Catalogue::of(Language::Chinese).text("no.such.key", &[]),
            "no.such.key"
        );
    }
}
