//! The same shapes as the OpenAPI document tells them: what a schema allows is what the server reads, no more and no less.

use std::borrow::Cow;

use sync_core::kinds::Kind;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{Number, PartialSchema, ToSchema};

use super::Base64Url;

/// A UUID in its one spelling; see [`super::canonical_uuid`].
#[derive(Debug)]
pub struct CanonicalUuid;

/// Text of 1 to `MAX` characters without control characters; see [`super::plain_text`].
#[derive(Debug)]
pub struct PlainText<const MAX: usize>;

/// A whole number of 32 bits without a sign. The known formats have signs, so the bound says it.
#[derive(Debug)]
pub struct Unsigned32;

/// The same of 64 bits.
#[derive(Debug)]
pub struct Unsigned64;

/// The name of a kind of records, such as `report`.
#[derive(Debug)]
pub struct KindName;

/// A day of the calendar, such as `2026-11-01`.
#[derive(Debug)]
pub struct DayText;

/// Where a page of doubts ends. Callers send it back as it came.
#[derive(Debug)]
pub struct DoubtPageEnd;

/// Where a page of deadlines ends. Callers send it back as it came.
#[derive(Debug)]
pub struct DeadlinePageEnd;

/// Where a page of records or of the inbox ends. Callers send it back as it came.
#[derive(Debug)]
pub struct PageEnd;

const UUID_PATTERN: &str = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";
/// What Unicode calls control characters: C0, DEL and C1.
const PLAIN_PATTERN: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";

/// A version and a number of 63 bits in its shortest hexadecimal form; the service writes and reads it.
const PAGE_END_PATTERN: &str = r"^1\.(0|[1-9a-f][0-9a-f]{0,14}|[1-7][0-9a-f]{15})$";

/// A version, a time and a number in their shortest hexadecimal forms; the service writes and reads it.
const DEADLINE_PAGE_END_PATTERN: &str = r"^2\.(0|[1-9a-f][0-9a-f]{0,14}|[1-7][0-9a-f]{15})\.(0|[1-9a-f][0-9a-f]{0,14}|[1-7][0-9a-f]{15})$";

/// A version, a time, a number and another; the service writes and reads it.
const DOUBT_PAGE_END_PATTERN: &str =
    r"^1\.(0|-?[1-9][0-9]{0,17})\.(0|[1-9][0-9]{0,17})\.(0|[1-9][0-9]{0,8})$";

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

impl PartialSchema for CanonicalUuid {
    fn schema() -> RefOr<Schema> {
        text()
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)))
            .pattern(Some(UUID_PATTERN))
            .into()
    }
}

impl ToSchema for CanonicalUuid {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("CanonicalUuid")
    }
}

impl<const MAX: usize> PartialSchema for PlainText<MAX> {
    fn schema() -> RefOr<Schema> {
        text()
            .min_length(Some(1))
            .max_length(Some(MAX))
            .pattern(Some(PLAIN_PATTERN))
            .into()
    }
}

impl<const MAX: usize> ToSchema for PlainText<MAX> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("PlainText{MAX}"))
    }
}

fn unsigned(maximum: Number) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(0))
        .maximum(Some(maximum))
}

impl PartialSchema for Unsigned32 {
    fn schema() -> RefOr<Schema> {
        unsigned(Number::UInt(u32::MAX as usize)).into()
    }
}

impl ToSchema for Unsigned32 {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Unsigned32")
    }
}

impl PartialSchema for Unsigned64 {
    fn schema() -> RefOr<Schema> {
        unsigned(Number::UInt(u64::MAX as usize)).into()
    }
}

impl ToSchema for Unsigned64 {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Unsigned64")
    }
}

impl PartialSchema for KindName {
    fn schema() -> RefOr<Schema> {
        let known = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Unknown);
        text().enum_values(Some(known.map(Kind::as_str))).into()
    }
}

impl ToSchema for KindName {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("KindName")
    }
}

impl PartialSchema for PageEnd {
    fn schema() -> RefOr<Schema> {
        text().pattern(Some(PAGE_END_PATTERN)).into()
    }
}

impl ToSchema for PageEnd {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("PageEnd")
    }
}

impl PartialSchema for DeadlinePageEnd {
    fn schema() -> RefOr<Schema> {
        text().pattern(Some(DEADLINE_PAGE_END_PATTERN)).into()
    }
}

impl ToSchema for DeadlinePageEnd {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("DeadlinePageEnd")
    }
}

impl PartialSchema for DoubtPageEnd {
    fn schema() -> RefOr<Schema> {
        text().pattern(Some(DOUBT_PAGE_END_PATTERN)).into()
    }
}

impl ToSchema for DoubtPageEnd {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("DoubtPageEnd")
    }
}

impl PartialSchema for DayText {
    fn schema() -> RefOr<Schema> {
        text()
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Date)))
            .min_length(Some(10))
            .max_length(Some(10))
            .into()
    }
}

impl ToSchema for DayText {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("DayText")
    }
}

impl<const N: usize> PartialSchema for Base64Url<N> {
    fn schema() -> RefOr<Schema> {
        let digits = (N * 8).div_ceil(6);
        text()
            .min_length(Some(digits))
            .max_length(Some(digits))
            .pattern(Some(base64_url_pattern(N)))
            .into()
    }
}

impl<const N: usize> ToSchema for Base64Url<N> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("Base64Url{N}"))
    }
}

/// The one spelling of so many bytes: the last digit's bits that stand for no byte are zero.
fn base64_url_pattern(bytes: usize) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digits = (bytes * 8).div_ceil(6);
    let unused_bits = digits * 6 - bytes * 8;
    if unused_bits == 0 {
        return format!("^[A-Za-z0-9_-]{{{digits}}}$");
    }
    let last: String = DIGITS
        .iter()
        .step_by(1 << unused_bits)
        .map(|digit| char::from(*digit))
        .collect();
    format!("^[A-Za-z0-9_-]{{{}}}[{last}]$", digits - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told<T: PartialSchema>() -> serde_json::Value {
        serde_json::to_value(T::schema()).unwrap()
    }

    #[test]
    fn bytes_are_told_with_their_one_spelling() {
        let key = told::<Base64Url<32>>();
        assert_eq!(key["minLength"], 43);
        assert_eq!(key["maxLength"], 43);
        assert_eq!(key["pattern"], "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$");
        let signature = told::<Base64Url<64>>();
        assert_eq!(signature["minLength"], 86);
        assert_eq!(signature["pattern"], "^[A-Za-z0-9_-]{85}[AQgw]$");
        assert_eq!(told::<Base64Url<3>>()["pattern"], "^[A-Za-z0-9_-]{4}$");
    }

    #[test]
    fn the_digits_that_may_stand_last_are_those_that_are_read() {
        for last in ('A'..='Z')
            .chain('a'..='z')
            .chain('0'..='9')
            .chain(['-', '_'])
        {
            let spelled = format!("\"{}{last}\"", "A".repeat(42));
            let read = serde_json::from_str::<Base64Url<32>>(&spelled).is_ok();
            assert_eq!(read, "AEIMQUYcgkosw048".contains(last), "{last}");
        }
    }

    #[test]
    fn text_and_ids_are_told_as_they_are_read() {
        let text = told::<PlainText<64>>();
        assert_eq!(
            (&text["minLength"], &text["maxLength"]),
            (&1.into(), &64.into())
        );
        assert_eq!(text["pattern"], r"^[^\u0000-\u001f\u007f-\u009f]*$");
        let beyond = (0..=0x110000_u32).filter_map(char::from_u32);
        let control: Vec<char> = beyond.filter(|letter| letter.is_control()).collect();
        let told: Vec<char> = ('\0'..='\u{1f}').chain('\u{7f}'..='\u{9f}').collect();
        assert_eq!(control, told, "the pattern names every control character");
        assert_eq!(super::CanonicalUuid::name(), "CanonicalUuid");
    }
}
