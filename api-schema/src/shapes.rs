//! The shapes that plain JSON leaves open: canonical ids, bounded plain text and fixed-size bytes. Outside input only.

pub mod schema;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// Reads a UUID only in its canonical form (lower case, with hyphens), so that one id has one spelling.
pub fn parse_canonical_uuid(text: &str) -> Option<Uuid> {
    let id = Uuid::try_parse(text).ok()?;
    (id.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == text).then_some(id)
}

/// `deserialize_with` for a UUID field: refuses every spelling but the canonical one.
///
/// # Errors
/// The text is not a UUID in lower case with hyphens.
pub fn canonical_uuid<'de, D: Deserializer<'de>>(input: D) -> Result<Uuid, D::Error> {
    let text = String::deserialize(input)?;
    parse_canonical_uuid(&text).ok_or_else(|| D::Error::custom("not a canonical UUID"))
}

/// The same for an optional UUID field; pair it with `#[serde(default)]`.
///
/// # Errors
/// As [`canonical_uuid`].
pub fn canonical_uuid_option<'de, D: Deserializer<'de>>(
    input: D,
) -> Result<Option<Uuid>, D::Error> {
    match Option::<String>::deserialize(input)? {
        None => Ok(None),
        Some(text) => parse_canonical_uuid(&text)
            .map(Some)
            .ok_or_else(|| D::Error::custom("not a canonical UUID")),
    }
}

/// `deserialize_with` for text of 1 to `MAX` characters without control characters (U+0000 breaks databases and terminals alike).
///
/// # Errors
/// The text is empty, too long or holds a control character.
pub fn plain_text<'de, D: Deserializer<'de>, const MAX: usize>(
    input: D,
) -> Result<String, D::Error> {
    let text = String::deserialize(input)?;
    check_plain::<D::Error, MAX>(&text)?;
    Ok(text)
}

/// The same for an optional text field; pair it with `#[serde(default)]`.
///
/// # Errors
/// As [`plain_text`].
pub fn plain_text_option<'de, D: Deserializer<'de>, const MAX: usize>(
    input: D,
) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(input)?;
    if let Some(text) = &text {
        check_plain::<D::Error, MAX>(text)?;
    }
    Ok(text)
}

fn check_plain<E: Error, const MAX: usize>(text: &str) -> Result<(), E> {
    if text.is_empty() {
        return Err(E::custom("must not be empty"));
    }
    if text.chars().count() > MAX {
        return Err(E::custom(format_args!("longer than {MAX} characters")));
    }
    if text.chars().any(char::is_control) {
        return Err(E::custom("holds a control character"));
    }
    Ok(())
}

/// `deserialize_with` for a whole number. JSON has one kind of number, so `7.0` is 7, as a schema's `integer` says.
///
/// # Errors
/// It has a fraction or does not fit: above 2^53 a number with a point stands for more than one.
pub fn whole_number<'de, D: Deserializer<'de>, N: TryFrom<i128>>(input: D) -> Result<N, D::Error> {
    whole(&serde_json::Number::deserialize(input)?)
}

/// The same for an optional field; pair it with `#[serde(default)]`.
///
/// # Errors
/// As [`whole_number`].
pub fn whole_number_option<'de, D: Deserializer<'de>, N: TryFrom<i128>>(
    input: D,
) -> Result<Option<N>, D::Error> {
    let number = Option::<serde_json::Number>::deserialize(input)?;
    number.as_ref().map(whole).transpose()
}

fn whole<E: Error, N: TryFrom<i128>>(number: &serde_json::Number) -> Result<N, E> {
    const WITH_POINT_MAX: f64 = 9_007_199_254_740_992.0;
    let with_point = || {
        let number = number.as_f64()?;
        let is_whole = number.fract() == 0.0 && number.abs() <= WITH_POINT_MAX;
        is_whole.then_some(number as i128)
    };
    number
        .as_i128()
        .or_else(with_point)
        .and_then(|number| N::try_from(number).ok())
        .ok_or_else(|| E::custom("not a whole number that fits"))
}

/// Exactly `N` bytes, on the wire as base64url without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Base64Url<const N: usize>(pub [u8; N]);

impl<const N: usize> Serialize for Base64Url<N> {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.serialize_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl<'de, const N: usize> Deserialize<'de> for Base64Url<N> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        let bytes = URL_SAFE_NO_PAD
            .decode(text.as_bytes())
            .map_err(|_| D::Error::custom("not base64url without padding"))?;
        let bytes = bytes
            .try_into()
            .map_err(|_| D::Error::custom(format_args!("not {N} bytes")))?;
        Ok(Self(bytes))
    }
}

/// `with` for bytes of any length, on the wire as base64url without padding.
pub mod base64_url_bytes {
    use super::{Deserialize, Deserializer, Engine, Error, Serializer, URL_SAFE_NO_PAD};

    /// Writes the text.
    ///
    /// # Errors
    /// The output's own.
    pub fn serialize<S: Serializer>(bytes: &[u8], output: S) -> Result<S::Ok, S::Error> {
        output.serialize_str(&URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads the text.
    ///
    /// # Errors
    /// It is not base64url without padding.
    pub fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(input)?;
        URL_SAFE_NO_PAD
            .decode(text.as_bytes())
            .map_err(|_| D::Error::custom("not base64url without padding"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, Serialize)]
    struct Sample {
        #[serde(deserialize_with = "canonical_uuid")]
        id: Uuid,
        #[serde(deserialize_with = "plain_text::<_, 4>")]
        name: String,
        key: Base64Url<3>,
    }

    fn read(id: &str, name: &str, key: &str) -> Result<Sample, String> {
        let json = serde_json::json!({"id": id, "name": name, "key": key}).to_string();
        serde_json::from_str(&json).map_err(|error| error.to_string())
    }

    const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    #[test]
    fn one_id_has_one_spelling() {
        assert!(read(ID, "a", "AQID").is_ok());
        for alias in [
            ID.to_uppercase(),
            format!("{{{ID}}}"),
            format!("urn:uuid:{ID}"),
            ID.replace('-', ""),
            format!(" {ID}"),
            String::new(),
        ] {
            assert!(
                read(&alias, "a", "AQID").is_err(),
                "{alias} must be refused"
            );
        }
    }

    #[test]
    fn text_is_bounded_and_free_of_control_characters() {
        assert!(
            read(ID, "网格一号", "AQID").is_ok(),
            "characters are counted, not bytes"
        );
        for bad in ["", "abcde", "a\0b", "a\nb", "\u{7f}", "\u{85}"] {
            assert!(read(ID, bad, "AQID").is_err(), "{bad:?} must be refused");
        }
    }

    #[test]
    fn a_whole_number_may_have_a_point_and_nothing_behind_it() {
        let read = |text: &str| {
            let mut input = serde_json::Deserializer::from_str(text);
            whole_number::<_, u64>(&mut input).map_err(|error| error.to_string())
        };
        for (text, number) in [
            ("0", 0),
            ("7.0", 7),
            ("-0.0", 0),
            ("25e2", 2500),
            ("9007199254740992.0", 1 << 53),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(read(text), Ok(number), "{text}");
        }
        for bad in [
            "7.5",
            "-1",
            "-1.0",
            "18446744073709551616",
            "9007199254740994.0",
            "1e300",
            "\"7\"",
            "null",
        ] {
            assert!(read(bad).is_err(), "{bad} must be refused");
        }
    }

    #[test]
    fn bytes_have_their_exact_length_and_one_spelling() {
        assert_eq!(read(ID, "a", "AQID").unwrap().key.0, [1, 2, 3]);
        for bad in ["AQI", "AQIDBA", "AQI=", "AQ+D", "AQ/D", ""] {
            assert!(read(ID, "a", bad).is_err(), "{bad:?} must be refused");
        }
    }
}
