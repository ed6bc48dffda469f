//! A payload: the fields of a part, each with its value exactly as the author wrote it.

use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use std::fmt;
use std::sync::Arc;

/// Fields in order of their names. Values are kept as raw JSON, so that an unknown field or a number's
/// spelling survives reading and writing bit by bit.
///
/// A clone shares the fields until one of the two drops some: deciding a change looks at a state with its payload in
/// it, and that state is mostly thrown away.
#[derive(Clone, Debug, Default)]
pub struct Payload {
    fields: Arc<Vec<(String, Box<RawValue>)>>,
}

impl Payload {
    /// Reads a JSON object. A field that stands twice is an error: two readers could take different ones.
    ///
    /// # Errors
    /// What serde_json says, or `duplicate field`.
    pub fn read(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// A payload of given fields; the names must differ.
    pub fn from_fields(fields: impl IntoIterator<Item = (String, Box<RawValue>)>) -> Self {
        let mut fields: Vec<_> = fields.into_iter().collect();
        fields.sort_unstable_by(|left, right| left.0.cmp(&right.0));
        assert!(
            fields.windows(2).all(|pair| pair[0].0 != pair[1].0),
            "BUG: a field stands twice"
        );
        Self {
            fields: Arc::new(fields),
        }
    }

    /// The raw value of a field.
    pub fn get(&self, name: &str) -> Option<&RawValue> {
        self.fields
            .binary_search_by(|(field, _)| field.as_str().cmp(name))
            .ok()
            .map(|index| &*self.fields[index].1)
    }

    /// A field as `T`; `None` when it is missing or not of that type.
    pub fn value<'a, T: Deserialize<'a>>(&'a self, name: &str) -> Option<T> {
        serde_json::from_str(self.get(name)?.get()).ok()
    }

    /// Fields in order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.fields
            .iter()
            .map(|(name, value)| (name.as_str(), &**value))
    }

    /// How many fields.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Keeps the fields for which `keep` says so.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        if !self.fields.iter().all(|(name, _)| keep(name)) {
            Arc::make_mut(&mut self.fields).retain(|(name, _)| keep(name));
        }
    }

    /// Whether the field is there.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.fields.len() == other.fields.len()
            && self
                .iter()
                .zip(other.iter())
                .all(|(left, right)| left.0 == right.0 && left.1.get() == right.1.get())
    }
}

impl Eq for Payload {}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.fields.len()))?;
        for (name, value) in self.fields.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;

        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Payload;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Payload, A::Error> {
                let mut fields: Vec<(String, Box<RawValue>)> = Vec::with_capacity(12);
                while let Some(entry) = map.next_entry()? {
                    fields.push(entry);
                }
                if !fields.is_sorted_by(|left, right| left.0 < right.0) {
                    fields.sort_by(|left, right| left.0.cmp(&right.0));
                    if let Some(pair) = fields.windows(2).find(|pair| pair[0].0 == pair[1].0) {
                        return Err(A::Error::custom(format_args!(
                            "duplicate field `{}`",
                            pair[0].0
                        )));
                    }
                }
                Ok(Payload {
                    fields: Arc::new(fields),
                })
            }
        }

        deserializer.deserialize_map(FieldsVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_spelling_and_fields_stand_once() {
        let payload = Payload::read(br#"{"b": 1.50, "a": "\u4f60", "c":9007199254740993123456}"#)
            .expect("json");
        let text = serde_json::to_string(&payload).expect("json");
        assert_eq!(
            text,
            r#"{"a":"\u4f60","b":1.50,"c":9007199254740993123456}"#
        );
        assert_eq!(payload.value::<String>("a").as_deref(), Some("你"));
        for twice in [
            &br#"{"a":1,"a":1}"#[..],
            br#"{"a":1,"b":2,"a":3}"#,
            br#"[1]"#,
            br#"{"a":1} x"#,
        ] {
            assert!(Payload::read(twice).is_err());
        }
    }

    #[test]
    fn payloads_are_equal_when_names_and_spellings_are() {
        let read = |json: &str| Payload::read(json.as_bytes()).expect("json");
        let one = read(r#"{"a":1,"b":2}"#);
        assert_eq!(one, read(r#"{"b":2,"a":1}"#));
        for other in [
            "{}",
            r#"{"a":1}"#,
            r#"{"a":1,"b":2,"c":3}"#,
            r#"{"a":1,"b":2.0}"#,
            r#"{"a":1,"c":2}"#,
            r#"{"a":3,"b":2}"#,
            r#"{"c":3,"d":4}"#,
        ] {
            assert_ne!(one, read(other), "{other}");
        }
        let raw = |json: &str| RawValue::from_string(json.to_owned()).expect("json");
        let built = Payload::from_fields([("b".to_owned(), raw("2")), ("a".to_owned(), raw("1"))]);
        assert_eq!(built, one);
        let error = Payload::read(b"[1]").expect_err("no object").to_string();
        assert!(error.contains("expected a JSON object"), "{error}");
    }
}
